import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { homePaths } from '@bascule/core/home.ts';
import { createLog } from '@bascule/log/log.ts';
import { packArchive } from '@bascule/package-format/archive.ts';
import { FolderMirror } from '@bascule/package-format/folder-mirror.ts';
import { TestRepository } from '@bascule/package-format/testing.ts';
import { UpdateClient } from '@bascule/package-format/update-client.ts';
import { ClientSupplies } from './client-supplies.ts';

const log = createLog('test', 'silent');
const RUNTIME_BYTES = Buffer.from('a runtime');
const RUNTIME = createHash('sha256').update(RUNTIME_BYTES).digest('hex');
const SIGNED = Buffer.from('the signed program');
let home = '';
let repository: TestRepository;
let client: UpdateClient;
let mirror: FolderMirror;
let site = '';
let next: string | undefined;
let runtimes: string[] = [];
let renewals = 0;
let supplies: ClientSupplies;
const paths = () => homePaths(home).clientSupplies;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'bascule-supplies-'));
  [next, runtimes, renewals] = [undefined, [], 0];
  repository = await TestRepository.create(home);
  const archive = join(home, 'site');
  const files = {
    'bascule-package.json': JSON.stringify({ version: '0.2.0', revision: 'abc1234', runtime: RUNTIME }),
    'apps/site/src/main.ts': 'not for clients',
    'client/jump-client-0.2.0.tar.zst': SIGNED,
    'client/jumpoint-0.2.0.tar.zst': 'nobody signed this',
    'client/supervisor.mjs': '// supervisor',
  };
  await packArchive(
    Object.entries(files).map(([path, text]) => ({ path, source: Buffer.from(text), executable: false })),
    archive,
  );
  site = await repository.addPackage('site', '0.2.0', await readFile(archive), {
    runtime: RUNTIME,
    unpackedBytes: 1_000_000,
    fileCount: 10,
  });
  await repository.add('client', 'client/jump-client-0.2.0.tar.zst', SIGNED);
  await repository.add('runtime', `runtime/${RUNTIME}.tar.zst`, RUNTIME_BYTES);
  await repository.publish();
  client = await UpdateClient.open({ directory: join(home, 'updates'), now: Date.now, log });
  mirror = new FolderMirror(repository.directory);
  await client.confirmTrust((await client.readRoot(mirror)).bytes);
  supplies = new ClientSupplies({
    paths: paths(),
    client,
    runtimes: () => runtimes,
    nextSite: () => next,
    onRenewed: () => renewals++,
    log,
  });
});
afterEach(async () => {
  await supplies.stop();
  await rm(home, { recursive: true, force: true });
});

test('the metadata is copied when it is whole, and the site is told when it is another', async () => {
  await supplies.renew();
  assert.equal(renewals, 0, 'nothing is trusted yet but a root');
  await client.refresh(mirror);
  await supplies.renew();
  assert.ok((await readdir(paths().updateMetadata)).includes('timestamp.json'));
  assert.equal(renewals, 1);
  await supplies.renew();
  assert.equal(renewals, 1, 'nothing is new');
});

test('of the next site package the client programs are laid out, what is unsigned left out, until it is installed', async () => {
  await client.refresh(mirror);
  next = site;
  await supplies.renew();
  assert.deepEqual(await readdir(paths().next), [], 'it is not here yet');
  await client.obtain(site, mirror);
  await supplies.renew();
  const folder = join(paths().next, '0.2.0');
  const found = (await readdir(folder, { recursive: true })).toSorted();
  const expected = ['bascule-package.json', 'client', 'client/jump-client-0.2.0.tar.zst', 'client/supervisor.mjs'];
  assert.deepEqual(found, expected);
  next = undefined;
  await supplies.renew();
  assert.deepEqual(await readdir(paths().next), []);
  assert.equal(renewals, 3);
});

test('a package that was changed on the disk gives no programs', async () => {
  await client.refresh(mirror);
  const file = await client.obtain(site, mirror);
  await writeFile(file, Buffer.alloc((await readFile(file)).length, 1));
  next = site;
  await supplies.renew();
  assert.deepEqual(await readdir(paths().next), []);
});

test('runtimes are kept for installed versions and the next one, though the package is removed', async () => {
  await client.refresh(mirror);
  await client.obtain(`runtime/${RUNTIME}.tar.zst`, mirror);
  await supplies.renew();
  assert.deepEqual(await readdir(paths().runtimeArchives), [], 'no version needs it');
  runtimes = [RUNTIME];
  await supplies.renew();
  await client.discard(`runtime/${RUNTIME}.tar.zst`);
  await supplies.renew();
  assert.ok((await readFile(join(paths().runtimeArchives, `${RUNTIME}.tar.zst`))).equals(RUNTIME_BYTES));
  runtimes = [];
  await supplies.renew();
  assert.deepEqual(await readdir(paths().runtimeArchives), []);
});
