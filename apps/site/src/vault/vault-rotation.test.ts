import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { KeyRing, keyIdOf } from '@bascule/accounts/key-ring.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { ADA, TestVault } from './testing.ts';
import { ROTATION_STEPS, type RotationStep, type VaultBackup } from './vault-rotation.ts';

const ACCOUNTS = 60;
const isDone = (site: TestVault) => waitUntil('the rotation is done', () => site.vault.rotation.state() === null);

test('a rotation moves every secret to a new key, drops the former one, and says so', async () => {
  await using site = new TestVault();
  site.addSecrets(ACCOUNTS);
  site.vault.start();
  const before = site.secrets();
  const former = site.vault.ring.currentId;
  await site.vault.rotate(ADA);
  await assert.rejects(site.vault.rotate(ADA), { code: 'VAULT_ROTATION_RUNNING' });
  await isDone(site);
  assert.deepEqual(site.secrets(), before);
  const state = await site.vault.state();
  assert.notEqual(state.keyId, former);
  assert.deepEqual(state.formerKeyIds, []);
  assert.equal(state.readable, ACCOUNTS + 2);
  assert.equal(state.unreadable, 0);
  assert.equal(state.lastRotation?.by, 'ada');
  assert.equal(state.lastRotation?.secrets, ACCOUNTS + 2);
  assert.ok(state.since !== null);
  for (const { wrapped } of site.store.all<{ wrapped: Uint8Array }>('SELECT totp_secret AS wrapped FROM accounts'))
    assert.equal(keyIdOf(wrapped), state.keyId);
  const codes = site.auditCodes().filter((code) => code.startsWith('VAULT_'));
  assert.deepEqual(
    codes.filter((code) => code !== 'VAULT_SECRETS_REWRAPPED'),
    ['VAULT_ROTATION_BEGUN', 'VAULT_KEY_IN_USE', 'VAULT_ALL_REWRAPPED', 'VAULT_ROTATED'],
  );
  assert.ok(codes.length > 5, 'in several small transactions');
});

test('cut at any step, a rotation is finished by the next start, and every secret opens at every moment', async () => {
  for (const step of ROTATION_STEPS) {
    const reachedSteps = new Set<RotationStep>();
    const first = new TestVault({
      // A cut program does nothing more: what waits for another look never comes to it.
      lookEveryMs: 60_000,
      step: (reached) => {
        reachedSteps.add(reached);
        if (reached === step) throw new Error(`cut at ${reached}`);
      },
    });
    first.addSecrets(ACCOUNTS);
    first.vault.start();
    const before = first.secrets();
    const former = readFileSync(first.keyFile);
    await first.vault.rotate(ADA).catch((error: Error) => assert.equal(error.message, 'cut at begun'));
    await first.vault.rotation.settled();
    assert.ok(reachedSteps.has(step), step);
    assert.deepEqual(first.secrets(), before, step);
    await first.stop();
    await using second = new TestVault({}, first.directory);
    assert.deepEqual(second.secrets(), before, step);
    second.vault.start();
    await isDone(second);
    assert.deepEqual(second.secrets(), before, step);
    assert.deepEqual(second.vault.ring.formerIds(), [], step);
    assert.equal(second.vault.ring.nextId, null, step);
    assert.notDeepEqual(readFileSync(second.keyFile), former, step);
    assert.equal(second.auditCodes().filter((code) => code === 'VAULT_ROTATED').length, 1, step);
  }
});

test('what is wrapped, changed and removed while a rotation runs stays as it was made', async () => {
  const changes: (() => void)[] = [];
  const site = new TestVault({ step: (step) => step === 'moved' && changes.shift()?.() });
  await using _ = site;
  site.addSecrets(ACCOUNTS);
  site.vault.start();
  const purpose = 'totp/usr_00059';
  const write = (wrapped: Uint8Array | null) =>
    site.store.transact(ADA, { code: 'TEST_CHANGED', summary: '', details: {} }, (tx) =>
      tx.run('UPDATE accounts SET totp_secret = ? WHERE id = ?', wrapped, 'usr_00059'),
    );
  changes.push(
    () => write(KeyRing.open(site.keyFile).wrap(Buffer.from('changed'), purpose)),
    () =>
      site.store.transact(ADA, { code: 'TEST_REMOVED', summary: '', details: {} }, (tx) =>
        tx.run('UPDATE accounts SET totp_secret = NULL WHERE id = ?', 'usr_00058'),
      ),
  );
  await site.vault.rotate(ADA);
  await isDone(site);
  assert.equal(changes.length, 0);
  const after = site.secrets();
  assert.equal(after['accounts usr_00059'], 'changed');
  assert.ok(!('accounts usr_00058' in after));
  assert.equal(after['accounts usr_00001'], 'factor 1');
});

test('what cannot be read stays as it is, and is named; the rotation moves the rest', async () => {
  await using site = new TestVault();
  site.addSecrets(3);
  const foreign = KeyRing.open(join(site.directory, 'other.key')).wrap(Buffer.from('lost'), 'totp/usr_00001');
  site.store.transact(ADA, { code: 'TEST_LOST', summary: '', details: {} }, (tx) =>
    tx.run('UPDATE accounts SET totp_secret = ? WHERE id = ?', foreign, 'usr_00001'),
  );
  site.vault.start();
  await site.vault.rotate(ADA);
  await isDone(site);
  const row = site.store.get<{ wrapped: Uint8Array }>("SELECT totp_secret AS wrapped FROM accounts WHERE id = 'usr_00001'");
  assert.deepEqual(Buffer.from(row!.wrapped), Buffer.from(foreign));
  const { count, secrets } = await site.vault.unreadableSecrets();
  assert.equal(count, 1);
  assert.deepEqual(
    secrets.map(({ words, isReadable }) => [words, isReadable]),
    [['second factor of user 1', false]],
  );
  assert.deepEqual(
    Object.values(site.secrets()).filter((text) => text === undefined),
    [undefined],
  );
});

test('in a pair nothing is wrapped by a key that the backup lacks, and no key is dropped that it needs', async () => {
  let backup: VaultBackup = { kind: 'away', name: 'beta' };
  await using site = new TestVault({ backup: () => backup });
  site.addSecrets(5);
  site.vault.start();
  const { ring, rotation } = site.vault;
  const from = ring.currentId;
  const waits = (code: string) => waitUntil(code, () => rotation.state()?.waitsFor?.code === code);
  await site.vault.rotate(ADA);
  await waits('VAULT_WAITS_FOR_BACKUP');
  assert.equal(ring.nextId, null);
  backup = { kind: 'too-old', name: 'beta' };
  await waits('VAULT_BACKUP_TOO_OLD');
  assert.equal(ring.nextId, null);
  // It is back with the ring that it had.
  backup = { kind: 'here', name: 'beta', ring: ring.fingerprint(), ackedSeq: 0 };
  await waitUntil('the next key is made', () => ring.nextId !== null);
  await waits('VAULT_WAITS_FOR_BACKUP');
  assert.equal(ring.currentId, from);
  assert.equal(rotation.state()?.mayCancel, true);
  // It has the next key: that is used now, and the former one stays until it has all changes, and the ring of now.
  backup = { ...backup, ring: ring.fingerprint() };
  await waitUntil('all is moved', () => rotation.state()?.state === 'dropping');
  assert.notEqual(ring.currentId, from);
  assert.equal(rotation.state()?.mayCancel, false);
  assert.throws(() => rotation.cancel(ADA), { code: 'VAULT_ROTATION_NOT_CANCELLABLE' });
  backup = { ...backup, ackedSeq: site.store.head().seq };
  await waits('VAULT_WAITS_FOR_BACKUP');
  assert.deepEqual(ring.formerIds(), [from]);
  backup = { ...backup, ring: ring.fingerprint(), ackedSeq: 0 };
  await waits('VAULT_WAITS_FOR_BACKUP');
  assert.deepEqual(ring.formerIds(), [from]);
  backup = { ...backup, ackedSeq: site.store.head().seq };
  await isDone(site);
  assert.deepEqual(ring.formerIds(), []);
});

test('a rotation that waits for the backup can be given up', async () => {
  let backup: VaultBackup = { kind: 'none' };
  await using site = new TestVault({ backup: () => backup });
  site.addSecrets(1);
  site.vault.start();
  const { ring } = site.vault;
  const from = ring.currentId;
  backup = { kind: 'here', name: 'beta', ring: 'another', ackedSeq: 0 };
  await site.vault.rotate(ADA);
  await waitUntil('the next key is made', () => ring.nextId !== null);
  site.vault.rotation.cancel(ADA);
  assert.deepEqual([ring.currentId, ring.nextId, site.vault.rotation.state()], [from, null, null]);
  assert.equal(site.auditCodes().at(-1), 'VAULT_ROTATION_CANCELLED');
});

test('the backup that takes over in the middle goes on with the ring and the rows that it has', async () => {
  let backup: VaultBackup = { kind: 'none' };
  await using site = new TestVault({
    backup: () => backup,
    step: (step) => {
      if (step === 'noted-in-use') backup = { kind: 'away', name: 'beta' };
    },
  });
  site.addSecrets(ACCOUNTS);
  const before = site.secrets();
  site.vault.start();
  await site.vault.rotate(ADA);
  await waitUntil('the former key waits', () => site.vault.rotation.state()?.waitsFor !== null);
  const taken = join(site.directory, 'taken');
  mkdirSync(join(taken, 'keys'), { recursive: true });
  await site.store.snapshot(join(taken, 'site.db'));
  for (const name of ['site.key', 'site.keyring']) copyFileSync(join(site.directory, 'keys', name), join(taken, 'keys', name));
  const other = new TestVault({}, taken);
  other.vault.start();
  await isDone(other);
  assert.deepEqual(other.secrets(), before);
  assert.deepEqual(other.vault.ring.formerIds(), []);
  await other.stop();
});

test('while a new version is being watched no rotation begins: the version before could not read what it wraps', async () => {
  await using site = new TestVault({ isCommitted: false });
  site.vault.start();
  await assert.rejects(site.vault.rotate(ADA), { code: 'VAULT_ROTATION_NOT_NOW' });
  assert.equal((await site.vault.state()).mayRotate.code, 'VAULT_ROTATION_NOT_NOW');
  site.vault.committed();
  await site.vault.rotate(ADA);
  await isDone(site);
});

test('a site that starts without its key makes a new one, raises an alarm once, and says what the missing one protects', async () => {
  const first = new TestVault();
  first.addSecrets(2);
  await first.stop();
  const key = readFileSync(first.keyFile);
  rmSync(first.keyFile);
  const alarms: [number, string][] = [];
  const alarm = (count: number, examples: string) => void alarms.push([count, examples]);
  const words = [
    'second factor of user 0',
    'second factor of user 1',
    'password of the mail server smtp.example.org',
    'key of the installer office',
  ];
  for (let starts = 0; starts < 2; starts += 1) {
    const site = new TestVault({ alarm }, first.directory);
    site.vault.start();
    const state = await site.vault.state();
    assert.deepEqual([state.readable, state.unreadable], [0, 4]);
    assert.deepEqual(
      (await site.vault.secrets('unreadable')).secrets.map((secret) => secret.words),
      words,
    );
    await site.stop();
  }
  assert.deepEqual(alarms, [[4, words.join(', ')]]);
  writeFileSync(first.keyFile, key);
  const mended = new TestVault({ alarm }, first.directory);
  mended.vault.start();
  await mended.vault.close();
  assert.deepEqual(
    mended.auditCodes().filter((code) => code.startsWith('VAULT_')),
    ['VAULT_SECRETS_UNREADABLE', 'VAULT_SECRETS_READABLE'],
  );
  await mended[Symbol.asyncDispose]();
});
