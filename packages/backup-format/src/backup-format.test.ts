/** Backups written and read, beside stock age, zstd and tar in both directions. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { BackupReader } from './backup-reader.ts';
import { inPieces, TEST_PASSWORD, testBackup, testManifest, testMembers } from './testing.ts';
import { unpackBackup } from './unpack-backup.ts';

let folder: string;
before(() => (folder = mkdtempSync(join(tmpdir(), 'bascule-backup-'))));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Runs age, which asks for its password at a terminal alone. */
async function age(command: string, ...answers: string[]): Promise<void> {
  const child = spawn('script', ['-qec', command, '/dev/null'], { cwd: folder, stdio: ['pipe', 'pipe', 'inherit'] });
  let said = '';
  let answered = 0;
  child.stdout.on('data', (data: Buffer) => {
    said += data.toString();
    while (answered < answers.length && (said.match(/passphrase[^:]*:/gi)?.length ?? 0) > answered)
      child.stdin.write(`${answers[answered++]}\n`);
  });
  const [code] = (await once(child, 'close')) as [number];
  assert.equal(code, 0, said);
}

function shell(command: string): string {
  const run = spawnSync('sh', ['-c', command], { cwd: folder, encoding: 'utf8' });
  assert.equal(run.status, 0, run.stderr);
  return run.stdout;
}

describe('a backup', () => {
  for (const password of [undefined, TEST_PASSWORD])
    it(`is unpacked as it was packed, ${password === undefined ? 'plain' : 'with a password'}`, async () => {
      const isEncrypted = password !== undefined;
      const into = join(folder, `own-${isEncrypted}`);
      const progress: number[] = [];
      const { manifest, members, bytes } = await unpackBackup(inPieces(await testBackup({ password }), 777), into, {
        password,
        onProgress: (done) => progress.push(done),
      });
      const expected = isEncrypted ? ['alpha', true, 4, 270_004] : ['alpha', false, 3, 270_001];
      assert.deepEqual([manifest.appliance, manifest.isEncrypted, members, bytes], expected);
      for (const member of testMembers({ isEncrypted }))
        assert.ok(readFileSync(join(into, member.path)).equals(Buffer.from(member.source as Uint8Array)), member.path);
      assert.equal(statSync(join(into, 'site.db')).mode & 0o777, 0o600);
      assert.equal(statSync(join(into, 'recordings')).mode & 0o777, 0o700);
      assert.equal(progress.at(-1), bytes);
    });

  it('opens with stock age, zstd, tar and sha256sum', async () => {
    writeFileSync(join(folder, 'ours.age'), await testBackup({ password: TEST_PASSWORD }));
    await age('age -d -o ours.tar.zst ours.age', TEST_PASSWORD);
    mkdirSync(join(folder, 'stock'));
    shell('zstd -dc ours.tar.zst | tar x -C stock');
    assert.equal(shell('cd stock && sha256sum -c --quiet checksums.sha256 && wc -l < checksums.sha256').trim(), '5');
    for (const member of testMembers({ isEncrypted: true }))
      assert.ok(readFileSync(join(folder, 'stock', member.path)).equals(Buffer.from(member.source as Uint8Array)));
  });

  it('that stock tar, zstd and age have packed again is read', async () => {
    writeFileSync(join(folder, 'again.age'), await testBackup({ password: TEST_PASSWORD }));
    await age('age -d -o again.tar.zst again.age', TEST_PASSWORD);
    mkdirSync(join(folder, 'again'));
    shell('zstd -dc again.tar.zst | tar x -C again');
    const order = shell('zstd -dc again.tar.zst | tar t');
    writeFileSync(join(folder, 'order'), order);
    shell('tar c --format=pax -C again --no-recursion --verbatim-files-from -T order | zstd -19 -q -o packed.tar.zst');
    await age('age -p -o packed.age packed.tar.zst', TEST_PASSWORD, TEST_PASSWORD);
    const { members } = await unpackBackup(createReadStream(join(folder, 'packed.age')), join(folder, 'read'), {
      password: TEST_PASSWORD,
    });
    assert.equal(members, 4);
  });

  it('of parts that are not wanted is checked all the same, and tells what is in it before anything is written', async () => {
    const bytes = await testBackup();
    const into = join(folder, 'parts');
    const { members } = await unpackBackup(inPieces(bytes), into, { parts: new Set(['state']) });
    assert.equal(members, 3);
    assert.throws(() => statSync(join(into, 'recordings')));
    const refusal = new Error('not this one');
    const refused = unpackBackup(inPieces(bytes), join(folder, 'refused'), {
      accept() {
        throw refusal;
      },
    });
    await assert.rejects(refused, refusal);
    assert.throws(() => statSync(join(folder, 'refused', 'site.db')));
  });

  it('holds files beyond 8 GiB by a record of their size', async () => {
    const [first] = testMembers();
    const large = {
      ...first!,
      path: 'recordings/large.brec',
      part: 'recordings' as const,
      source: '/nowhere',
      bytes: 9_000_000_000,
    };
    const { encodeHeader, readHeader } = await import('./backup-tar.ts');
    let header = encodeHeader(large);
    const read = async (count: number) => {
      const taken = header.subarray(0, count);
      header = header.subarray(count);
      return taken;
    };
    assert.deepEqual(await readHeader(read), { path: large.path, bytes: large.bytes, modifiedS: large.modifiedS });
    assert.equal(testManifest([large]).parts[0]?.bytes, large.bytes);
  });

  it('whose file became shorter while it was packed is not made; one that is gone is left out', async () => {
    const [first] = testMembers();
    const file = join(folder, 'short');
    writeFileSync(file, 'abc');
    const member = { ...first!, source: file, bytes: 10 };
    await assert.rejects(testBackup({ members: [member] }), { code: 'BACKUP_SOURCE_CHANGED' });
    await assert.rejects(testBackup({ members: [{ ...member, source: join(folder, 'gone') }] }), {
      code: 'BACKUP_SOURCE_CHANGED',
    });
  });

  it('is closed before its members are read without an error', async () => {
    const reader = await BackupReader.open(inPieces(await testBackup()));
    reader.close();
  });
});
