import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { makeHeader } from '@bascule/backup-format/age-header.ts';
import { sealPayload } from '@bascule/backup-format/age-payload.ts';
import { vaultKeyFile } from '@bascule/protocol/api/vault.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { openVaultKeys } from './vault-file.ts';
import { ADA, TestVault, WORK_FACTOR } from './testing.ts';

const PASSWORD = 'correct horse battery';
const work = mkdtempSync(join(tmpdir(), 'bascule-vault-file-'));
after(() => rmSync(work, { recursive: true, force: true }));

async function age(text: string): Promise<Buffer> {
  const { header, fileKey } = await makeHeader(PASSWORD, WORK_FACTOR);
  const pieces = [header];
  const source = (async function* () {
    yield Buffer.from(text);
  })();
  for await (const piece of sealPayload(source, fileKey)) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** What is downloaded at `site`, as a page sends it to be restored. */
async function downloaded(site: TestVault) {
  const { bytes } = await site.vault.download(ADA, PASSWORD);
  return { file: bytes.toString('base64'), password: PASSWORD };
}

test('a download is noted, and a rotation makes it outdated', async () => {
  await using site = new TestVault();
  site.addSecrets(1);
  site.vault.start();
  assert.equal((await site.vault.state()).download, null);
  const { name, bytes } = await site.vault.download(ADA, PASSWORD);
  assert.match(name, /^alpha-\d{4}-\d\d-\d\d\.bascule-vault-key\.age$/);
  assert.ok(!bytes.includes(site.vault.ring.keys()[0]!.bytes));
  const { download, keyId } = await site.vault.state();
  assert.deepEqual([download?.by, download?.keyId, download?.isOutdated], ['ada', keyId, false]);
  assert.equal(site.auditCodes().at(-1), 'VAULT_KEY_DOWNLOADED');
  await site.vault.rotate(ADA);
  await waitUntil('the rotation is done', () => site.vault.rotation.state() === null);
  assert.equal((await site.vault.state()).download?.isOutdated, true);
  assert.equal(site.vault.lastDownload()?.isOutdated, true);
});

test('a new appliance with the rows of the old one gets its key: what becomes readable is said before, and its key is the one of now', async () => {
  await using old = new TestVault();
  old.addSecrets(3);
  const wanted = old.secrets();
  const body = await downloaded(old);
  const taken = mkdtempSync(join(work, 'taken-'));
  await old.store.snapshot(join(taken, 'site.db'));
  await using site = new TestVault({}, taken);
  site.vault.start();
  assert.equal((await site.vault.state()).unreadable, 5);
  const look = await site.vault.look(body);
  assert.deepEqual([look.becomesReadable, look.staysUnreadable, look.appliance], [5, 0, 'alpha']);
  assert.equal(look.secrets[0]?.words, 'second factor of user 0');
  assert.equal((await site.vault.state()).unreadable, 5, 'looking changes nothing');
  assert.equal(await site.vault.restore(ADA, body), 5);
  assert.deepEqual(site.secrets(), wanted);
  assert.equal(site.vault.ring.currentId, old.vault.ring.currentId);
  assert.equal((await site.vault.state()).download?.isOutdated, false, 'the file that was downloaded is still good');
  assert.deepEqual((await site.vault.look(body)).newKeyIds, []);
  assert.equal(await site.vault.restore(ADA, body), 0, 'a second time changes nothing');
});

test('a key that is restored takes nothing from what is readable, and a current key in use stays', async () => {
  await using old = new TestVault();
  old.addSecrets(1);
  const body = await downloaded(old);
  await using site = new TestVault();
  site.addSecrets(2);
  const before = site.secrets();
  const current = site.vault.ring.currentId;
  assert.equal(await site.vault.restore(ADA, body), 0);
  assert.deepEqual(site.secrets(), before);
  assert.equal(site.vault.ring.currentId, current);
  assert.deepEqual(site.vault.ring.formerIds(), [old.vault.ring.currentId]);
  // Kept for a backup that may be restored after it, until a rotation.
  await using again = new TestVault({}, site.directory);
  assert.deepEqual(again.vault.ring.formerIds(), [old.vault.ring.currentId]);
});

test('wrong password, another file, altered, cut: one error each, and nothing is changed', async () => {
  await using old = new TestVault();
  old.addSecrets(1);
  const { file } = await downloaded(old);
  await using site = new TestVault();
  site.addSecrets(1);
  const before = site.vault.ring.fingerprint();
  const bytes = Buffer.from(file, 'base64');
  const altered = (at: number) => {
    const copy = Buffer.from(bytes);
    copy[at]! ^= 1;
    return copy;
  };
  const key = old.vault.ring.keys()[0]!;
  const inside = (changes: object) =>
    age(
      JSON.stringify({
        format: 'bascule-vault-key/1',
        appliance: 'alpha',
        madeAtMs: 0,
        current: key.id,
        keys: [{ id: key.id, key: key.bytes.toString('base64') }],
        ...changes,
      }),
    );
  const cases: [string, Buffer, string, string?][] = [
    ['wrong password', bytes, 'VAULT_FILE_PASSWORD_WRONG', 'wrong password'],
    ['last byte', altered(bytes.length - 1), 'VAULT_FILE_DAMAGED'],
    ['cut', bytes.subarray(0, bytes.length - 20), 'VAULT_FILE_DAMAGED'],
    ['cut in the header', bytes.subarray(0, 100), 'VAULT_FILE_DAMAGED'],
    ['nothing', Buffer.alloc(0), 'VAULT_FILE_OTHER'],
    ['a picture', Buffer.from([0x89, 0x50, 0x4e, 0x47]), 'VAULT_FILE_OTHER'],
    ['another product in age', await age('hello'), 'VAULT_FILE_OTHER'],
    ['a backup', await age('{"format":"bascule-backup/1"}'), 'VAULT_FILE_OTHER'],
    ['newer', await inside({ format: 'bascule-vault-key/2' }), 'VAULT_FILE_NEWER'],
    ['no key', await inside({ keys: [] }), 'VAULT_FILE_DAMAGED'],
    [
      'a key under the name of another',
      await inside({ keys: [{ id: '0'.repeat(16), key: key.bytes.toString('base64') }] }),
      'VAULT_FILE_DAMAGED',
    ],
    ['the current one is not in it', await inside({ current: '0'.repeat(16) }), 'VAULT_FILE_DAMAGED'],
  ];
  for (const [what, content, code, password = PASSWORD] of cases) {
    const body = { file: content.toString('base64'), password };
    await assert.rejects(site.vault.look(body), { code }, what);
    await assert.rejects(site.vault.restore(ADA, body), { code }, what);
    assert.equal(site.vault.ring.fingerprint(), before, what);
  }
  assert.equal(site.auditCodes().at(-1), 'VAULT_KEY_RESTORE_REFUSED');
});

test('no bit of the file can be turned unnoticed', async () => {
  await using old = new TestVault();
  const { file } = await downloaded(old);
  const bytes = Buffer.from(file, 'base64');
  for (let at = 0; at < bytes.length; at += 7) {
    const copy = Buffer.from(bytes);
    copy[at]! ^= 1 << (at % 8);
    await assert.rejects(openVaultKeys(copy, PASSWORD), { kind: 'invalid' }, `byte ${at}`);
  }
});

test('stock age opens the file with the password, and finds the keys under their names', async () => {
  await using site = new TestVault();
  const { bytes } = await site.vault.download(ADA, PASSWORD);
  const file = join(work, 'vault-key.age');
  const opened = join(work, 'vault-key.json');
  writeFileSync(file, bytes);
  // age asks the terminal for the password: script gives it one.
  const child = spawn('script', ['-qec', `age -d -o ${opened} ${file}`, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdout.on('data', (text: Buffer) => {
    if (text.includes('passphrase')) child.stdin.write(`${PASSWORD}\n`);
  });
  assert.deepEqual(await once(child, 'exit'), [0, null]);
  const found = vaultKeyFile.parse(JSON.parse(readFileSync(opened, 'utf8')));
  assert.equal(found.current, site.vault.ring.currentId);
  assert.deepEqual(
    found.keys.map(({ id, key }) => [id, key]),
    site.vault.ring.keys().map(({ id, bytes: key }) => [id, key.toString('base64')]),
  );
});
