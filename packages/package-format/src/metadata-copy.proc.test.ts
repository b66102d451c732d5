/** The public copy of trusted metadata under SIGKILL, and read while it is renewed. */
import { deepEqual, ok } from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import { FolderMirror } from './folder-mirror.ts';
import { readMetadataCopy, renewMetadataCopy, trustedViewOf, type MetadataFile } from './metadata-copy.ts';
import { TestRepository } from './testing.ts';
import { UpdateClient } from './update-client.ts';

const KILLS = 12;
const log = createLog('test', 'silent');
let folder = '';
/** One set after the other, as an appliance comes to trust them. */
const sets: MetadataFile[][] = [];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bascule-copy-'));
  const repository = await TestRepository.create(folder);
  const mirror = new FolderMirror(repository.directory);
  const client = await UpdateClient.open({ directory: join(folder, 'appliance'), now: Date.now, log });
  await client.confirmTrust((await client.readRoot(mirror)).bytes);
  for (let version = 1; version <= 3; version++) {
    await repository.add('client', `client/jump-client-0.${version}.0.tar.zst`, `program ${version}`);
    await repository.publish();
    await client.refresh(mirror);
    sets.push((await client.trustedFiles()) ?? []);
  }
  await writeFile(
    join(folder, 'sets.json'),
    JSON.stringify(sets.map((files) => files.map(({ name, bytes }) => ({ name, text: bytes.toString('base64') })))),
  );
  await writeFile(
    join(folder, 'renew.mjs'),
    `import { readFileSync } from 'node:fs';
import { renewMetadataCopy } from ${JSON.stringify(join(import.meta.dirname, 'metadata-copy.ts'))};
const [, , copy, file] = process.argv;
const sets = JSON.parse(readFileSync(file, 'utf8')).map((files) => files.map(({ name, text }) => ({ name, bytes: Buffer.from(text, 'base64') })));
for (let turn = 0; ; turn++) {
  await renewMetadataCopy(copy, sets[turn % sets.length]);
  if (turn === 2) process.stdout.write('turning\\n');
}
`,
  );
});
after(() => rm(folder, { recursive: true, force: true }));

/** How many programs the set in `copy` names; throws when it is no whole and verified set. */
async function programsIn(copy: string): Promise<number> {
  const files = (await readMetadataCopy(copy)) ?? [];
  const view = await trustedViewOf(files, log);
  ok(view, `no whole set: ${(await readdir(copy)).join(' ')}`);
  return view.releases.length;
}

test('killed at any moment, the copy is one whole set, and the next renewal mends the rest', async () => {
  const copy = join(folder, 'copy');
  for (let kill = 0; kill < KILLS; kill++) {
    const child = spawn(process.execPath, [join(folder, 'renew.mjs'), copy, join(folder, 'sets.json')]);
    await once(child.stdout, 'data');
    // Somewhere in the next renewals: a renewal takes a few milliseconds.
    const untilMs = performance.now() + kill * 1.7;
    while (performance.now() < untilMs) await readFile(join(folder, 'sets.json'));
    child.kill('SIGKILL');
    await once(child, 'exit');
    const found = await programsIn(copy);
    ok(found >= 1 && found <= 3);
  }
  await renewMetadataCopy(copy, sets[2] ?? []);
  // The former set goes with the renewal after it.
  await renewMetadataCopy(copy, sets[2] ?? []);
  deepEqual((await readdir(copy)).toSorted(), (sets[2] ?? []).map(({ name }) => name).toSorted());
});

test('who reads while it is renewed reads the former set or the new one', async () => {
  const copy = join(folder, 'read');
  await renewMetadataCopy(copy, sets[0] ?? []);
  const child = spawn(process.execPath, [join(folder, 'renew.mjs'), copy, join(folder, 'sets.json')]);
  await once(child.stdout, 'data');
  const seen = new Set<number>();
  try {
    for (let look = 0; look < 60; look++) seen.add(await programsIn(copy));
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  ok(seen.size > 1, 'it was renewed meanwhile');
});
