/** The command line of the conformance suite's client, against a repository of our own; the suite itself is run outside the project (package-format 8). */
import { deepEqual, equal } from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { TestRepository } from '@bascule/package-format/testing.ts';

function run(...options: string[]): Promise<number> {
  return new Promise((resolve) => {
    execFile(process.execPath, [join(import.meta.dirname, 'tuf-client.ts'), ...options], (error) =>
      resolve(error ? Number(error.code) : 0),
    );
  });
}

test('init, refresh and download as the conformance suite calls them', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'bascule-tuf-client-'));
  const repository = await TestRepository.create(folder);
  await repository.add('client', 'client/jump-client-0.2.0.tar.zst', 'bytes');
  await repository.publish();
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    readFile(join(repository.directory, request.url ?? '')).then(
      (bytes) => response.end(bytes),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const metadata = join(folder, 'metadata');
  const targets = join(folder, 'targets');
  const where = ['--metadata-dir', metadata, '--metadata-url', `${url}/metadata`];
  const download = (name: string) =>
    run(...where, '--target-name', name, '--target-base-url', `${url}/targets`, '--target-dir', targets, 'download');
  try {
    await mkdir(targets);
    equal(await run('--metadata-dir', metadata, 'init', join(repository.directory, 'metadata', '1.root.json')), 0);
    equal(asked.length, 0, 'init asks nobody');
    equal(await run(...where, 'refresh'), 0);
    deepEqual(
      asked.map((path) => path.replace('/metadata/', '')),
      ['2.root.json', 'timestamp.json', '2.snapshot.json', '1.targets.json'],
    );
    deepEqual(
      (await readdir(metadata)).filter((name) => name.endsWith('.json')),
      ['root.json', 'snapshot.json', 'targets.json', 'timestamp.json'],
    );
    equal(await download('client/jump-client-0.2.0.tar.zst'), 0);
    equal(await readFile(join(targets, 'client%2Fjump-client-0.2.0.tar.zst'), 'utf8'), 'bytes');
    const before = asked.filter((path) => path.startsWith('/targets/')).length;
    equal(await download('client/jump-client-0.2.0.tar.zst'), 0);
    equal(asked.filter((path) => path.startsWith('/targets/')).length, before, 'what is here is not fetched again');
    equal(await download('client/unknown'), 1);
    equal(await run(...where, 'nonsense'), 1);
    equal(await run('--metadata-dir', metadata, '--metadata-url', `${url}/elsewhere`, 'refresh'), 1);
  } finally {
    server.close();
    await rm(folder, { recursive: true, force: true });
  }
});
