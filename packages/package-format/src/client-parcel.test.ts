import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import { CLIENT_ROLES, openClientParcel, writeClientParcel } from './client-parcel.ts';
import { FolderMirror } from './folder-mirror.ts';
import { newestRoot, readMetadataCopy, renewMetadataCopy, trustedViewOf } from './metadata-copy.ts';
import { newKey, TestRepository } from './testing.ts';
import { UpdateClient } from './update-client.ts';

const log = createLog('test', 'silent');
const DAY_MS = 24 * 60 * 60_000;
const PROGRAM = Buffer.from('a program for clients '.repeat(1000));
const TARGET = 'client/jump-client-0.2.0.tar.zst';
let folder = '';
let repository: TestRepository;
let appliance: UpdateClient;
let copy = '';
let program = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bascule-parcel-'));
  repository = await TestRepository.create(folder);
  await repository.add('client', TARGET, PROGRAM);
  await repository.addPackage('site', '0.2.0', 'a site');
  await repository.publish();
  program = join(folder, 'program');
  await writeFile(program, PROGRAM);
  copy = join(folder, 'copy');
  appliance = await UpdateClient.open({ directory: join(folder, 'appliance'), now: Date.now, log });
  const mirror = new FolderMirror(repository.directory);
  await appliance.confirmTrust((await appliance.readRoot(mirror)).bytes);
  await renewCopy();
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function renewCopy(): Promise<void> {
  await appliance.refresh(new FolderMirror(repository.directory));
  await renewMetadataCopy(copy, (await appliance.trustedFiles()) ?? []);
}

async function makeParcel(name = 'parcel'): Promise<string> {
  await writeClientParcel({ metadataDir: copy, target: TARGET, file: program }, join(folder, name));
  return join(folder, name);
}

/** The verifier of a client program, whose clock may be anywhere. */
async function openEndpoint(name: string, root: Buffer, nowMs = Date.now()): Promise<UpdateClient> {
  const now = () => nowMs;
  const directory = join(folder, name);
  const endpoint = await UpdateClient.open({ directory, now, log, roles: CLIENT_ROLES, ignoresExpiry: true });
  await endpoint.confirmTrust(root);
  return endpoint;
}

async function take(endpoint: UpdateClient, parcel: string): Promise<Buffer> {
  const mirror = await openClientParcel(parcel);
  try {
    await endpoint.refresh(mirror);
    return await readFile(await endpoint.obtain(TARGET, mirror));
  } finally {
    await mirror.close();
  }
}

const rootOf = async (): Promise<Buffer> => newestRoot((await readMetadataCopy(copy)) ?? [])?.bytes ?? Buffer.alloc(0);

test('a client that has the root alone takes the program, though its clock is years ahead', async () => {
  const endpoint = await openEndpoint('endpoint', await rootOf(), Date.now() + 3650 * DAY_MS);
  ok((await take(endpoint, await makeParcel())).equals(PROGRAM));
  deepEqual(
    endpoint.releases().map(({ target }) => target),
    [TARGET],
    'packages of the appliance are not in it',
  );
});

test('a whole set that has expired for everybody is still taken from a parcel, and by nobody else', async () => {
  const past = await TestRepository.create(join(folder, 'past'), Date.now() - 40 * DAY_MS);
  await past.add('client', TARGET, PROGRAM);
  await past.publish();
  const root = (await new FolderMirror(past.directory).metadata('1.root.json', 1e6)) ?? Buffer.alloc(0);
  await writeClientParcel({ metadataDir: join(past.directory, 'metadata'), target: TARGET, file: program }, join(folder, 'old'));
  ok((await take(await openEndpoint('tolerant', root), join(folder, 'old'))).equals(PROGRAM));
  const strict = await UpdateClient.open({ directory: join(folder, 'strict'), now: Date.now, log, roles: CLIENT_ROLES });
  await strict.confirmTrust(root);
  await rejects(take(strict, join(folder, 'old')), { code: 'METADATA_EXPIRED' });
});

test('what is altered on the way is refused, wherever', async () => {
  const parcel = await makeParcel();
  const bytes = await readFile(parcel);
  const places = [
    bytes.indexOf(PROGRAM) + 5000,
    // In what the role client signed, in the timestamp's signature, and in the description.
    bytes.indexOf(TARGET, bytes.indexOf('client.json')) + 10,
    bytes.lastIndexOf('"sig"') + 20,
    520,
  ];
  for (const [index, place] of places.entries()) {
    const altered = Buffer.from(bytes);
    altered[place] = (altered[place] ?? 0) ^ 1;
    await writeFile(join(folder, `altered-${index}`), altered);
    const endpoint = await openEndpoint(`endpoint-${index}`, await rootOf());
    await rejects(take(endpoint, join(folder, `altered-${index}`)), `byte ${place}`);
    equal(endpoint.present(TARGET).verified, false);
  }
  await writeFile(join(folder, 'cut'), bytes.subarray(0, bytes.length - 2000));
  await rejects(openClientParcel(join(folder, 'cut')), { code: 'BUNDLE_INCOMPLETE' });
});

test('older metadata is refused by a client that saw newer, and another root by one that trusts', async () => {
  const old = await makeParcel('old');
  await repository.add('client', 'client/jump-client-0.3.0.tar.zst', 'newer');
  await repository.publish();
  await renewCopy();
  const endpoint = await openEndpoint('endpoint', await rootOf());
  await take(endpoint, await makeParcel('new'));
  const mirror = await openClientParcel(old);
  await rejects(endpoint.refresh(mirror), { code: 'METADATA_OLDER' });
  await mirror.close();
  const stranger = await TestRepository.create(join(folder, 'stranger'));
  await stranger.add('client', TARGET, 'something else');
  await stranger.publish();
  const other = join(folder, 'other');
  await writeClientParcel({ metadataDir: join(stranger.directory, 'metadata'), target: TARGET, file: program }, other);
  await rejects(take(endpoint, other), { code: 'METADATA_REFUSED' });
});

test('a client that slept through two rotations of the root follows both', async () => {
  const firstRoot = await rootOf();
  for (let rotation = 0; rotation < 2; rotation++) {
    const keys = [newKey(), newKey(), newKey()];
    repository.author.changeKeys('root', keys);
    await repository.author.publish([...repository.allKeys, ...keys]);
    repository.keys.root = keys;
  }
  // The appliance too learns of both at once.
  await renewCopy();
  const roots = (await readdir(copy)).filter((name) => name.endsWith('root.json'));
  deepEqual(roots.toSorted(), ['1.root.json', '2.root.json', '3.root.json']);
  const endpoint = await openEndpoint('endpoint', firstRoot);
  ok((await take(endpoint, await makeParcel())).equals(PROGRAM));
  equal(endpoint.trust()?.rootVersion, 3);
});

test('the same content gives the same bytes, and the copy says what the appliance trusts', async () => {
  ok((await readFile(await makeParcel('one'))).equals(await readFile(await makeParcel('other'))));
  const view = await trustedViewOf((await readMetadataCopy(copy)) ?? [], log);
  deepEqual(
    view?.releases.map(({ target }) => target),
    [TARGET, 'site/bascule-site-0.2.0.tar.zst'],
  );
  equal(await renewMetadataCopy(copy, (await appliance.trustedFiles()) ?? []), false, 'nothing is new');
});
