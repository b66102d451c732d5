/** A Windows package of an appliance is the release's own with values in their places. Whether it is one: tools/windows/windows-package.proc.test.ts. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { packArchive } from '@bascule/package-format/archive.ts';
import type { MsiInput } from './installer-files.ts';
import { streamOf } from './tar-pieces.ts';
import { windowsPackages } from './windows-packages.ts';

const WIDTHS = { SITE: 40, KEY: 20, MODE: 8, WAITSFOR: 12 };
const values = Object.entries(WIDTHS).map(([name, width]) => `@${name}@`.padEnd(width, '.'));
const TAIL = Buffer.from(`tail|${values.join('|')}|end`);
const COMMON = Buffer.alloc(9 * 1024 * 1024, 'common bytes ');
const INPUT: MsiInput = {
  program: 'jump-client',
  version: '0.2.0',
  siteUrl: 'https://a.example:443',
  mode: 'active',
  key: 'bjt1.key',
  waitsForVersion: null,
  trustedRoot: undefined,
};

let work: string;
let archive: { file: string; sha256: string };
before(async () => {
  work = mkdtempSync(join(tmpdir(), 'bascule-windows-packages-'));
  archive = await packed('whole.tar.zst', createHash('sha256').update(COMMON).update(TAIL).digest('hex'));
});
after(() => rmSync(work, { recursive: true, force: true }));

async function packed(name: string, sha256: string): Promise<{ file: string; sha256: string }> {
  let offset = COMMON.length + 'tail|'.length;
  const fields = Object.fromEntries(
    Object.entries(WIDTHS).map(([field, bytes]) => {
      const place = { offset, bytes };
      offset += bytes + 1;
      return [field, place];
    }),
  );
  const pieces = [
    { file: 'common.bin', bytes: COMMON.length },
    { file: 'tail.bin', bytes: TAIL.length },
  ];
  const productCode = '{00000000-0000-8000-8000-000000000000}';
  const packages = [{ program: 'jump-client', productCode, bytes: COMMON.length + TAIL.length, sha256, pieces, fields }];
  const about = { format: 'bascule-windows-installers/1', version: '0.2.0', packages };
  const file = join(work, name);
  const content = [
    { path: 'about.json', source: Buffer.from(JSON.stringify(about)), executable: false },
    { path: 'common.bin', source: COMMON, executable: false },
    { path: 'tail.bin', source: TAIL, executable: false },
  ];
  return { file, sha256: (await packArchive(content, file)).sha256 };
}

function open(found: typeof archive | undefined = archive) {
  return windowsPackages({ filesDir: join(work, 'files'), archive: (version) => (version === '0.2.0' ? found : undefined) });
}

async function tailOf(input: MsiInput): Promise<string> {
  const made = await open().buildMsi(input);
  assert.ok('pieces' in made);
  const bytes = await buffer(streamOf(made.pieces));
  assert.equal(bytes.length, COMMON.length + TAIL.length);
  assert.deepEqual(bytes.subarray(0, COMMON.length), COMMON);
  return bytes.subarray(COMMON.length).toString();
}

test('values stand in their places, blanks where there is none, and nothing else moves', async () => {
  const [site, key, mode] = ['https://a.example:443'.padEnd(40), 'bjt1.key'.padEnd(20), 'active  '];
  assert.equal(await tailOf(INPUT), `tail|${site}|${key}|${mode}|${' '.repeat(12)}|end`);
  assert.equal(
    await tailOf({ ...INPUT, key: undefined, waitsForVersion: '0.2.0' }),
    `tail|${site}|${' '.repeat(20)}|${mode}|${'0.2.0'.padEnd(12)}|end`,
  );
  assert.deepEqual(readdirSync(join(work, 'files', 'windows-installers')), [archive.sha256.slice(0, 16)]);
});

test('a value that does not fit is refused: nothing of it ends up in the next one', async () => {
  await assert.rejects(tailOf({ ...INPUT, key: 'k'.repeat(21) }), RangeError);
  await assert.rejects(tailOf({ ...INPUT, siteUrl: 'https://ä.example' }), RangeError);
});

test('what is not as the release built it is not sent', async () => {
  const altered = await packed('altered.tar.zst', 'a'.repeat(64));
  await assert.rejects(open(altered).buildMsi(INPUT), /is not what its archive says/);
});

test('without an archive, and for programs that have no Windows package, it says so', async () => {
  const { hasMsi, buildMsi } = open();
  assert.ok(hasMsi('jump-client', '0.2.0') && hasMsi('console', '0.2.0'));
  assert.ok(!hasMsi('jumpoint', '0.2.0') && !hasMsi('jump-client', '0.1.0'));
  const made = await buildMsi({ ...INPUT, version: '0.1.0' });
  assert.equal('problem' in made && made.problem.code, 'INSTALLER_MSI_UNAVAILABLE');
});
