import assert from 'node:assert/strict';
import { createDecipheriv } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { newRingKey, ringPathOf, type RingKey } from './key-ring-files.ts';
import { KeyRing, keyIdOf } from './key-ring.ts';

const directory = mkdtempSync(join(tmpdir(), 'bascule-ring-'));
after(() => rmSync(directory, { recursive: true }));
let count = 0;
const newPath = () => join(directory, `${(count += 1)}`, 'site.key');
const PURPOSE = 'totp/usr_1';

/** As the software before the ring reads a secret: one key of 32 bytes, version 1. */
function openAsBefore(path: string, wrapped: Uint8Array, purpose: string): Buffer {
  const key = readFileSync(path);
  assert.equal(key.length, 32);
  const bytes = Buffer.from(wrapped);
  assert.equal(bytes[0], 1);
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(1, 13), { authTagLength: 16 }).setAAD(
    Buffer.from(purpose),
  );
  decipher.setAuthTag(bytes.subarray(13, 29));
  return Buffer.concat([decipher.update(bytes.subarray(29)), decipher.final()]);
}

/** Numbers that are the same in each run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test('until the first rotation the software before reads every secret, and the files are as it left them', () => {
  const path = newPath();
  const ring = KeyRing.open(path);
  const wrapped = ring.wrap(Buffer.from('secret'), PURPOSE);
  assert.equal(openAsBefore(path, wrapped, PURPOSE).toString(), 'secret');
  assert.equal(keyIdOf(wrapped), undefined);
  assert.throws(() => statSync(ringPathOf(path)), { code: 'ENOENT' });
});

test('after a rotation secrets name their key, and the key file is still one that the software before can start with', () => {
  const path = newPath();
  const ring = KeyRing.open(path);
  const before = ring.wrap(Buffer.from('before'), PURPOSE);
  const former = ring.currentId;
  ring.prepareNext();
  assert.equal(keyIdOf(ring.wrap(Buffer.from('x'), PURPOSE)), former);
  ring.useNext();
  const wrapped = Buffer.from(ring.wrap(Buffer.from('after'), PURPOSE));
  assert.equal(keyIdOf(wrapped), ring.currentId);
  assert.notEqual(ring.currentId, former);
  assert.equal(Buffer.from(ring.unwrap(before, PURPOSE)).toString(), 'before');
  assert.equal(statSync(path).size, 32);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(ringPathOf(path)).mode & 0o777, 0o600);
  for (let at = 0; at < wrapped.length; at += 1) {
    const changed = Buffer.from(wrapped);
    changed[at]! ^= 1;
    assert.throws(() => ring.unwrap(changed, PURPOSE), { code: 'KEY_WRAP_FAILED' }, `byte ${at}`);
  }
  for (let length = 0; length < wrapped.length; length += 1)
    assert.throws(() => ring.unwrap(wrapped.subarray(0, length), PURPOSE), { code: 'KEY_WRAP_FAILED' }, `${length} bytes`);
  assert.throws(() => ring.unwrap(wrapped, 'totp/usr_2'), { code: 'KEY_WRAP_FAILED' });
});

test('a secret of one key cannot be passed off as that of another', () => {
  const path = newPath();
  const ring = KeyRing.open(path);
  ring.prepareNext();
  const wrapped = Buffer.from(ring.wrap(Buffer.from('secret'), PURPOSE));
  ring.useNext();
  const renamed = Buffer.concat([Buffer.of(2), Buffer.from(ring.currentId, 'hex'), wrapped.subarray(9)]);
  assert.throws(() => ring.unwrap(renamed, PURPOSE), { code: 'KEY_WRAP_FAILED' });
});

test('what the software before wrapped after a rollback is read, and its key file is heeded when it is another one', () => {
  const path = newPath();
  const ring = KeyRing.open(path);
  ring.prepareNext();
  ring.useNext();
  const ours = ring.wrap(Buffer.from('ours'), PURPOSE);
  const other = KeyRing.open(newPath());
  writeFileSync(path, other.keys()[0]!.bytes);
  const theirs = other.wrap(Buffer.from('theirs'), PURPOSE);
  assert.equal(Buffer.from(ring.unwrap(theirs, PURPOSE)).toString(), 'theirs');
  assert.equal(Buffer.from(ring.unwrap(ours, PURPOSE)).toString(), 'ours');
  assert.equal(ring.currentId, other.currentId);
});

test('a damaged ring file is not replaced, and named', () => {
  const path = newPath();
  const ring = KeyRing.open(path);
  ring.prepareNext();
  for (const text of ['', '{}', 'null', readFileSync(ringPathOf(path), 'utf8').slice(0, -10)]) {
    writeFileSync(ringPathOf(path), text);
    assert.throws(() => KeyRing.open(path), { code: 'KEY_FILE_BROKEN', message: /site\.keyring/ });
    assert.equal(readFileSync(ringPathOf(path), 'utf8'), text);
  }
});

test('whatever is done to rings, and wherever it is cut: what was wrapped opens until its key is dropped on purpose', () => {
  for (let seed = 1; seed <= 8; seed += 1) {
    const pick = numbers(seed);
    const path = newPath();
    let ring = KeyRing.open(path);
    // Another part of the program, which never hears of anything.
    const reader = KeyRing.open(path);
    const strangers: RingKey[] = [];
    const wrapped: { bytes: Uint8Array; text: string; keyId: string }[] = [];
    const dropped = new Set<string>();
    const cut = () => {
      if (pick(3) === 0) throw new Error('cut');
    };
    const operations = [
      () => {
        const text = `${seed} ${wrapped.length}`;
        wrapped.push({ bytes: ring.wrap(Buffer.from(text), PURPOSE), text, keyId: ring.currentId });
      },
      () => ring.prepareNext(cut),
      () => ring.useNext(cut),
      () => ring.forgetNext(),
      () => ring.mend(),
      () => {
        const used = new Set(wrapped.filter(() => pick(2) === 0).map(({ keyId }) => keyId));
        for (const id of ring.formerIds()) if (!used.has(id)) dropped.add(id);
        ring.dropFormer(used, cut);
      },
      () => {
        const key = newRingKey();
        strangers.push(key);
        ring.add([key], pick(3) === 0 ? key.id : undefined);
      },
      () => (ring = KeyRing.open(path)),
    ];
    for (let step = 0; step < 60; step += 1) {
      try {
        operations[pick(operations.length)]!();
      } catch (error) {
        assert.equal((error as Error).message, 'cut');
        ring = KeyRing.open(path);
      }
      assert.equal(reader.currentId, ring.currentId);
      assert.equal(reader.fingerprint(), ring.fingerprint());
      assert.ok(!dropped.has(ring.currentId));
      for (const { bytes, text, keyId } of wrapped) {
        const opened = reader.open(bytes, PURPOSE);
        if (dropped.has(keyId)) assert.equal(opened, undefined, `seed ${seed}, step ${step}`);
        else assert.deepEqual([opened?.secret.toString(), opened?.keyId], [text, keyId], `seed ${seed}, step ${step}`);
      }
      ring.mend();
      assert.deepEqual(readFileSync(path), ring.keys()[0]!.bytes);
    }
  }
});
