/** Backups that somebody altered, cut or made up: none is unpacked, and each says what is wrong. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { AppError } from '@bascule/errors/app-error.ts';
import { BOX_SETTINGS_MAX_BYTES } from '@bascule/protocol/api/box-settings.ts';
import { makeHeader } from './age-header.ts';
import { refuseNewerSchema } from './backup-manifest.ts';
import { encodeHeader, TAR_END_BYTES, tarPadding } from './backup-tar.ts';
import { inPieces, TEST_PASSWORD, testBackup, testManifest, testMembers } from './testing.ts';
import { unpackBackup, type UnpackBackupOptions } from './unpack-backup.ts';

let folder: string;
let count = 0;
before(() => (folder = mkdtempSync(join(tmpdir(), 'bascule-hostile-'))));
after(() => rmSync(folder, { recursive: true, force: true }));

async function refuses(bytes: Uint8Array, code: string, options: UnpackBackupOptions = {}, message?: RegExp): Promise<void> {
  const into = join(folder, String(++count));
  const error = await unpackBackup(inPieces(bytes), into, options).catch((fault: unknown) => fault);
  assert.ok(error instanceof AppError, `it was not refused: ${String(error)}`);
  assert.equal(error.code, code, error.message);
  if (message !== undefined) assert.match(error.message, message);
}

/** An archive of our form with members of any kind. */
function archive(
  members: { path: string; bytes: Buffer; header?: Buffer }[],
  manifest: unknown = testManifest(testMembers()),
): Buffer {
  const text = Buffer.from(typeof manifest === 'string' ? manifest : JSON.stringify(manifest));
  const all = [{ path: 'manifest.json', bytes: text }, ...members] as typeof members;
  const pieces = all.flatMap(({ path, bytes, header }) => [
    header ?? encodeHeader({ path, bytes: bytes.length, modifiedS: 0 }),
    bytes,
    Buffer.alloc(tarPadding(bytes.length)),
  ]);
  return zstdCompressSync(Buffer.concat([...pieces, Buffer.alloc(TAR_END_BYTES)]));
}

/** A header with one field replaced, and its checksum right again. */
function headerWith(path: string, change: (block: Buffer) => void, bytes = 0): Buffer {
  const block = Buffer.from(encodeHeader({ path, bytes, modifiedS: 0 }));
  change(block);
  block.write(' '.repeat(8), 148);
  block.write(
    `${block
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  );
  return block;
}

describe('a backup of somebody else', () => {
  it('with a wrong password, without one, or for a key', async () => {
    const bytes = await testBackup({ password: TEST_PASSWORD });
    await refuses(bytes, 'BACKUP_PASSWORD_NEEDED');
    await refuses(bytes, 'BACKUP_PASSWORD_WRONG', { password: 'another password' });
    const { header } = await makeHeader(TEST_PASSWORD, 4);
    const asksForMore = Buffer.concat([
      Buffer.from(header.toString('latin1').replace(/ 4\n/, ' 30\n'), 'latin1'),
      bytes.subarray(header.length),
    ]);
    await refuses(asksForMore, 'BACKUP_DAMAGED', { password: TEST_PASSWORD }, /work factor of 30/);
    const forKey = Buffer.from(
      header.toString('latin1').replace(/-> scrypt \S+ 4/, '-> X25519 TEiF0ypqr+bpvcqXNyCVJpL7OuwPdVwPL7KQEbFDOCc'),
      'latin1',
    );
    await refuses(Buffer.concat([forKey, bytes.subarray(header.length)]), 'BACKUP_FOREIGN_ENCRYPTION', {
      password: TEST_PASSWORD,
    });
  });

  it('cut anywhere', async () => {
    for (const password of [undefined, TEST_PASSWORD]) {
      const bytes = await testBackup({ password });
      for (const share of [0, 0.001, 0.3, 0.6, 0.9, 0.99])
        await refuses(bytes.subarray(0, Math.floor(bytes.length * share)), 'BACKUP_TRUNCATED', { password });
      await refuses(bytes.subarray(0, -1), 'BACKUP_TRUNCATED', { password });
    }
  });

  it('with any bit flipped, or something behind its end: refused, or nothing of the content is another', async () => {
    for (const password of [undefined, TEST_PASSWORD]) {
      const bytes = await testBackup({ password });
      let harmless = 0;
      const step = Math.max(1, Math.floor(bytes.length / 120));
      for (let at = 0; at < bytes.length; at += step) {
        const altered = Buffer.from(bytes);
        altered[at] = altered[at]! ^ (1 << (at % 8));
        const into = join(folder, String(++count));
        const error = await unpackBackup(inPieces(altered), into, { password }).catch((fault: unknown) => fault);
        if (error instanceof AppError) {
          assert.match(error.code, /^BACKUP_/, `byte ${at}`);
          continue;
        }
        assert.ok(!(error instanceof Error), `byte ${at}: ${String(error)}`);
        for (const { path, source } of testMembers({ isEncrypted: password !== undefined }))
          assert.ok(readFileSync(join(into, path)).equals(Buffer.from(source as Uint8Array)), `byte ${at}`);
        harmless += 1;
      }
      assert.ok(harmless <= (password === undefined ? 2 : 0), `${harmless} flipped bits were not noticed`);
      const more = Buffer.concat([bytes, Buffer.from('more')]);
      await refuses(more, password === undefined ? 'BACKUP_DAMAGED' : 'BACKUP_TRUNCATED', { password });
    }
  });

  it('that is no backup, is that of another product, or of a later format or version', async () => {
    await refuses(Buffer.from('PK\u0003\u0004 a zip'), 'BACKUP_FOREIGN');
    await refuses(Buffer.alloc(0), 'BACKUP_TRUNCATED');
    await refuses(zstdCompressSync(Buffer.alloc(100_000, 'x')), 'BACKUP_FOREIGN');
    await refuses(archive([], { ...testManifest([]), product: 'other' }), 'BACKUP_FOREIGN');
    await refuses(archive([], 'no JSON'), 'BACKUP_FOREIGN');
    const later = { product: 'bascule', format: 'bascule-backup/2', siteVersion: '9.1.0' };
    await refuses(archive([], later), 'BACKUP_NEWER', {}, /9\.1\.0/);
    await refuses(archive([], { product: 'bascule', format: 'bascule-backup/1' }), 'BACKUP_DAMAGED');
    const manifest = testManifest([], { siteVersion: '9.2.0', migrations: [1, 130, 999] });
    assert.throws(() => refuseNewerSchema(manifest, [1, 130]), { code: 'BACKUP_NEWER', message: /9\.2\.0/ });
  });

  it('with more in it than it says, or than there is room for', async () => {
    const zeros = Buffer.alloc(5_000_000);
    const small = testManifest([{ part: 'state', path: 'site.db', source: zeros, bytes: 100, modifiedS: 0 }]);
    await refuses(archive([{ path: 'site.db', bytes: zeros }], small), 'BACKUP_TOO_LARGE');
    await refuses(await testBackup(), 'BACKUP_TOO_LARGE', { unpackedBytesLimit: 1000 }, /room for 1000/);
    await refuses(archive([], ' '.repeat(2_000_000)), 'BACKUP_FOREIGN');
    const many = testManifest([{ part: 'files', path: 'files/a', source: '', bytes: 3, modifiedS: 0 }]);
    const files = ['files/a', 'files/b'].map((path) => ({ path, bytes: Buffer.from('x') }));
    await refuses(archive(files, many), 'BACKUP_TOO_LARGE');
  });

  it('with paths that lead elsewhere, links, names twice or out of order', async () => {
    const bytes = Buffer.alloc(0);
    const state = { path: 'site.db', bytes: Buffer.from('x') };
    for (const path of ['../x', 'files/../../x', '/etc/passwd', 'files//x', 'other', 'files/a\\b', 'keys'])
      await refuses(
        archive([{ path, bytes, header: headerWith('files/x', (block) => block.fill(0, 0, 100).write(path)) }]),
        'BACKUP_ENTRY_REFUSED',
      );
    for (const type of ['1', '2', '3', '5', '6', 'L', 'g'])
      await refuses(
        archive([{ path: 'files/x', bytes, header: headerWith('files/x', (block) => block.write(type, 156)) }]),
        'BACKUP_ENTRY_REFUSED',
      );
    await refuses(archive([state, state]), 'BACKUP_ENTRY_REFUSED');
    await refuses(
      archive(
        [{ path: 'files/x', bytes }, state],
        testManifest([...testMembers(), { part: 'files', path: 'files/x', source: '', bytes: 0, modifiedS: 0 }]),
      ),
      'BACKUP_ENTRY_REFUSED',
    );
    assert.ok(!existsSync(join(folder, 'x')));
  });

  it('without checksums, with false ones, or with something hidden between its files', async () => {
    const whole = zstdDecompressSync(await testBackup());
    const end = whole.indexOf('checksums.sha256');
    await refuses(zstdCompressSync(Buffer.concat([whole.subarray(0, end), Buffer.alloc(TAR_END_BYTES)])), 'BACKUP_TRUNCATED');
    const falseSum = Buffer.from(whole);
    falseSum[end + 512] = falseSum[end + 512] === 0x30 ? 0x31 : 0x30;
    await refuses(zstdCompressSync(falseSum), 'BACKUP_DAMAGED', {}, /checksums/);
    const hidden = Buffer.from(whole);
    hidden[whole.indexOf('site.db', 1024) + 512 + 200_010] = 1;
    await refuses(zstdCompressSync(hidden), 'BACKUP_ENTRY_REFUSED', {}, /hidden/);
  });

  it('in the clear, where a password was given or was needed to make it', async () => {
    const members = testMembers();
    // What it says of itself is of no use: the file is whoever's who could write it.
    for (const isEncrypted of [false, true])
      await refuses(await testBackup({ manifest: testManifest(members, { isEncrypted }) }), 'BACKUP_NOT_ENCRYPTED', {
        password: TEST_PASSWORD,
      });
    await refuses(await testBackup({ manifest: testManifest(members, { isEncrypted: true }) }), 'BACKUP_NOT_ENCRYPTED');
    const manifest = testManifest(members, { isEncrypted: false });
    await refuses(await testBackup({ members, manifest, password: TEST_PASSWORD }), 'BACKUP_DAMAGED', {
      password: TEST_PASSWORD,
    });
  });

  it('with keys or settings that no backup of ours brings', async () => {
    const small = Buffer.from('x');
    const holding = (part: 'identity' | 'box-settings', path: string, source = small) =>
      testManifest([{ part, path, source, bytes: source.length, modifiedS: 0 }]);
    for (const path of ['keys/site.key', 'keys/site.keyring', 'keys/pair.key', 'keys/identity.key/x', 'keys/identity.key.next']) {
      await refuses(archive([{ path, bytes: small }], holding('identity', path)), 'BACKUP_ENTRY_REFUSED', {}, /no part/);
      const members = [{ part: 'identity' as const, path, source: small, bytes: 1, modifiedS: 0 }];
      await assert.rejects(testBackup({ members, password: TEST_PASSWORD }), { code: 'BACKUP_ENTRY_REFUSED' });
    }
    const key = 'keys/identity.key';
    await refuses(archive([{ path: key, bytes: small }], holding('identity', key)), 'BACKUP_ENTRY_REFUSED', {}, /no password/);
    const other = 'box/other.json';
    await refuses(archive([{ path: other, bytes: small }], holding('box-settings', other)), 'BACKUP_ENTRY_REFUSED');
    const settings = 'box/settings.json';
    const large = Buffer.alloc(BOX_SETTINGS_MAX_BYTES + 1, ' ');
    await refuses(
      archive([{ path: settings, bytes: large }], holding('box-settings', settings, large)),
      'BACKUP_ENTRY_REFUSED',
      {},
      /bytes/,
    );
  });

  it('goes nowhere but into a new folder', async () => {
    const into = join(folder, 'full');
    await unpackBackup(inPieces(await testBackup()), into);
    assert.ok(readdirSync(into).length > 0);
    await assert.rejects(unpackBackup(inPieces(await testBackup()), into), { code: 'BACKUP_FOLDER_NOT_EMPTY' });
  });
});
