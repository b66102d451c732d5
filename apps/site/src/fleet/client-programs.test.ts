import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { newId } from '@bascule/core/ids.ts';
import { createLog } from '@bascule/log/log.ts';
import { packArchive } from '@bascule/package-format/archive.ts';
import { CLIENT_ROLES, openClientParcel } from '@bascule/package-format/client-parcel.ts';
import { FolderMirror } from '@bascule/package-format/folder-mirror.ts';
import { renewMetadataCopy } from '@bascule/package-format/metadata-copy.ts';
import { TestRepository } from '@bascule/package-format/testing.ts';
import { UpdateClient } from '@bascule/package-format/update-client.ts';
import { type ClientPlatform, clientTarget, upgradeOrder, type ClientSoftware } from '@bascule/protocol/client-program.ts';
import { CLIENT_VERSIONS_KEPT_MAX } from './client-programs-kept.ts';
import { ClientPrograms, type NextProgram, type NoProgram } from './client-programs.ts';
import { PARCEL_KEPT_MS } from './parcels.ts';

const log = createLog('test', 'silent');
const CHECKOUT = resolve(import.meta.dirname, '..', '..', '..', '..');
const RUNTIME_BYTES = Buffer.from('a runtime');
const RUNTIME = createHash('sha256').update(RUNTIME_BYTES).digest('hex');
let home = '';
let repository: TestRepository;
let appliance: UpdateClient;
let nowMs = Date.now();
const below = (...parts: string[]): string => join(home, ...parts);

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'bascule-programs-'));
  nowMs = Date.now();
  repository = await TestRepository.create(home);
  appliance = await UpdateClient.open({ directory: below('appliance'), now: Date.now, log });
  const mirror = new FolderMirror(repository.directory);
  await appliance.confirmTrust((await appliance.readRoot(mirror)).bytes);
  await repository.add('runtime', `runtime/${RUNTIME}.tar.zst`, RUNTIME_BYTES);
  await mkdir(below('runtimes'));
  await writeFile(below('runtimes', `${RUNTIME}.tar.zst`), RUNTIME_BYTES);
});
afterEach(() => rm(home, { recursive: true, force: true }));

/** A site package as it lies unpacked, its programs published unless they are not to be signed. */
async function release(
  version: string,
  { isSigned = true, runtime = RUNTIME, parent = 'software', platform = 'linux-x64' as ClientPlatform } = {},
): Promise<string> {
  const directory = below(parent, version);
  await mkdir(join(directory, 'client'), { recursive: true });
  const facts = { version, revision: `rev${version.replaceAll('.', '')}`, runtime };
  await writeFile(join(directory, 'bascule-package.json'), JSON.stringify(facts));
  await writeFile(join(directory, 'client', 'supervisor.mjs'), '// supervisor\n');
  for (const program of ['jump-client', 'jumpoint'] as const) {
    const about = { format: 'bascule-client/1', program, version, revision: facts.revision, platform };
    const target = clientTarget(program, platform, version);
    const file = join(directory, target);
    await packArchive(
      [
        { path: 'bascule-client.json', source: Buffer.from(JSON.stringify(about)), executable: false },
        { path: 'main.mjs', source: Buffer.from(`console.log('${program} ${version}')`), executable: false },
      ],
      file,
    );
    if (isSigned) await repository.add('client', target, await readFile(file));
  }
  return directory;
}

/** What base does after it has looked for updates. */
async function renewMetadata(): Promise<void> {
  await repository.publish();
  await appliance.refresh(new FolderMirror(repository.directory));
  await renewMetadataCopy(below('metadata'), (await appliance.trustedFiles()) ?? []);
}

async function open(version: string, softwareDir = below('software', version)): Promise<ClientPrograms> {
  const programs = await ClientPrograms.open({
    filesDir: below('files'),
    softwareDir,
    version,
    updateMetadataDir: below('metadata'),
    runtimeArchivesDir: below('runtimes'),
    nextDir: below('next'),
    runtimeDir: below('runtime'),
    log,
    now: () => nowMs,
  });
  await programs.settled();
  return programs;
}

function software(version: string, more: Partial<ClientSoftware> = {}): ClientSoftware {
  return {
    program: 'jump-client',
    version,
    revision: 'x',
    platform: 'linux-x64',
    mode: 'active',
    bundle: null,
    runtime: RUNTIME,
    upgradable: true,
    trial: false,
    dials: { host: 'a.example', port: 443, proxy: false },
    freeBytes: null,
    authority: 'a'.repeat(64),
    ...more,
  };
}

function ordered(found: NextProgram | NoProgram): NextProgram {
  assert.ok(!('problem' in found), JSON.stringify(found));
  upgradeOrder.parse({ ...found, order: newId('clientUpgrade'), healthSeconds: 60 });
  return found;
}

/** As the client does it: from the order alone, with the root that comes in it. */
async function takeAsClient(programs: ClientPrograms, order: NextProgram): Promise<Buffer> {
  const directory = await mkdtemp(below('endpoint-'));
  const endpoint = await UpdateClient.open({ directory, now: Date.now, log, roles: CLIENT_ROLES, ignoresExpiry: true });
  await endpoint.confirmTrust(Buffer.from(order.root ?? '', 'base64'));
  const file = programs.parcelFile(order.parcel.sha256);
  assert.equal(file?.bytes, order.parcel.bytes);
  const mirror = await openClientParcel(file?.file ?? '');
  try {
    await endpoint.refresh(mirror);
    assert.equal(endpoint.find(order.target)?.sha256, order.sha256);
    return await readFile(await endpoint.obtain(order.target, mirror));
  } finally {
    await mirror.close();
  }
}

test('a client that slept through releases catches up one version after the other, each verified', async () => {
  for (const version of ['0.2.0', '0.3.0', '0.10.0']) {
    await release(version);
    await renewMetadata();
    await open(version);
  }
  const programs = await open('0.10.0');
  assert.deepEqual(programs.versions('jump-client', 'linux-x64'), ['0.2.0', '0.3.0', '0.10.0']);
  const way: string[] = [];
  for (let version = '0.1.0'; version !== '0.10.0';) {
    const order = ordered(await programs.order(software(version)));
    assert.ok((await takeAsClient(programs, order)).equals(await readFile(below('software', order.version, order.target))));
    version = order.version;
    way.push(version);
  }
  assert.deepEqual(way, ['0.2.0', '0.3.0', '0.10.0']);
  const after = async (failed: string) => ordered(await programs.order(software('0.1.0'), failed)).version;
  assert.equal(await after('0.2.0'), '0.3.0', 'a version that it could not run is in nobody’s way');
  assert.equal(await after('0.10.0'), '0.10.0', 'and is tried again when there is none after it');
  assert.deepEqual(await programs.order(software('0.10.0')), { problem: 'current' });
  assert.deepEqual(await programs.order(software('1.0.0')), { problem: 'ahead' });
  assert.equal(ordered(await programs.order(software('what is this'))).version, '0.2.0');
  assert.deepEqual(await programs.order(software('0.1.0', { platform: 'win32-x64' })), { problem: 'no-program-for-platform' });
  assert.deepEqual(await programs.order(software('0.1.0', { platform: 'vax' })), { problem: 'no-program-for-platform' });
  assert.ok((await programs.supervisor('0.2.0'))?.startsWith(below('files')));
});

test('only what trusted metadata names with the hash that lies here is ordered', async () => {
  await release('0.2.0', { isSigned: false });
  const unsigned = await open('0.2.0');
  assert.deepEqual(await unsigned.order(software('0.1.0')), { problem: 'no-signed-programs' }, 'there is no metadata at all');
  await repository.add('client', clientTarget('jump-client', 'linux-x64', '0.2.0'), 'signed, and another one');
  await renewMetadata();
  let changes = 0;
  unsigned.onChange(() => changes++);
  await unsigned.renewed();
  assert.equal(changes, 1);
  assert.deepEqual(await unsigned.order(software('0.1.0')), { problem: 'no-signed-programs' });

  await release('0.3.0');
  await renewMetadata();
  const programs = await open('0.3.0');
  assert.equal(ordered(await programs.order(software('0.1.0'))).version, '0.3.0', 'the unsigned version is left out');
  const other = await open('0.2.0');
  assert.deepEqual(other.versions('jump-client', 'linux-x64'), ['0.2.0'], 'a site that went back offers nothing newer');
});

test('an archive that was changed on the disk is not offered', async () => {
  await release('0.2.0');
  await renewMetadata();
  const programs = await open('0.2.0');
  const { file } = (await programs.archive('jump-client', 'linux-x64', '0.2.0')) ?? { file: '' };
  await writeFile(file, 'x'.repeat((await readFile(file)).length));
  await assert.rejects(programs.order(software('0.1.0')), { code: 'CLIENT_PROGRAM_DAMAGED' });
});

test('programs for Windows come without a runtime, and their packages are told by the version that they are of', async () => {
  const directory = await release('0.2.0', { platform: 'win32-x64' });
  await writeFile(join(directory, 'client', 'windows-installers-0.2.0.tar.zst'), 'packages');
  await renewMetadata();
  const programs = await open('0.2.0');
  const order = ordered(await programs.order(software('0.1.0', { platform: 'win32-x64', runtime: 'b'.repeat(64) })));
  assert.equal(order.target, 'client/jump-client-win32-x64-0.2.0.tar.zst');
  assert.equal(order.runtime, null);
  assert.equal(programs.windowsInstallers('0.1.0'), undefined);
  await programs.settled();
  await rm(directory, { recursive: true });
  // After an upgrade they come from what the site keeps (B99).
  await release('0.3.0');
  const later = await open('0.3.0');
  assert.equal(await readFile(later.windowsInstallers('0.2.0')?.file ?? '', 'utf8'), 'packages');
  assert.equal(later.windowsInstallers('0.3.0'), undefined);
});

test('the runtime comes along only when the client has another', async () => {
  await release('0.2.0');
  await renewMetadata();
  const programs = await open('0.2.0');
  assert.equal(ordered(await programs.order(software('0.1.0'))).runtime, null);
  const { runtime, parcel } = ordered(await programs.order(software('0.1.0', { runtime: 'b'.repeat(64) })));
  assert.equal(runtime?.sha256, RUNTIME);
  assert.ok(runtime && programs.parcelFile(runtime.parcel.sha256));
  assert.equal(ordered(await programs.order(software('0.1.0'))).parcel.sha256, parcel.sha256, 'made once');
  await rm(below('runtimes'), { recursive: true });
  assert.equal(ordered(await programs.order(software('0.1.0', { runtime: null }))).runtime, null, 'base has it no more');
});

test('parcels are made anew with the metadata; the former ones stay for a day', async () => {
  await release('0.2.0');
  await renewMetadata();
  const programs = await open('0.2.0');
  const before = ordered(await programs.order(software('0.1.0')));
  await repository.add('client', 'client/jump-client-9.0.0.tar.zst', 'something new');
  await renewMetadata();
  await programs.renewed();
  const after = ordered(await programs.order(software('0.1.0')));
  assert.notEqual(after.parcel.sha256, before.parcel.sha256);
  assert.ok(programs.parcelFile(before.parcel.sha256), 'somebody may be fetching it');
  const again = await open('0.2.0');
  assert.ok(again.parcelFile(before.parcel.sha256), 'after a restart too');
  nowMs += PARCEL_KEPT_MS + 1000;
  await again.renewed();
  assert.equal(again.parcelFile(before.parcel.sha256), undefined);
});

test('what a cut left is no version, and the oldest beyond the limit go', async () => {
  const versions = Array.from({ length: CLIENT_VERSIONS_KEPT_MAX + 2 }, (_, index) => `0.${index + 1}.0`);
  for (const version of versions) {
    await release(version, { isSigned: false });
    await open(version);
  }
  const kept = below('files', 'clients');
  await mkdir(join(kept, '.0.1.0.new'));
  await rm(join(kept, '0.5.0', 'programs.json'));
  const programs = await open(versions.at(-1) ?? '');
  const expected = versions.slice(2).filter((version) => version !== '0.5.0');
  assert.deepEqual(programs.versions('jumpoint', 'linux-x64'), expected);
  assert.ok(!(await readdir(kept)).some((name) => name.startsWith('.')));
});

test('the next version can be had before it is installed, and is never ordered', async () => {
  await release('0.2.0');
  await renewMetadata();
  const programs = await open('0.2.0');
  assert.equal(programs.next(), undefined);
  await release('0.3.0', { parent: 'next' });
  await renewMetadata();
  await programs.renewed();
  assert.equal(programs.next(), '0.3.0');
  assert.equal((await programs.archive('jump-client', 'linux-x64', '0.3.0'))?.about.version, '0.3.0');
  assert.deepEqual(await programs.order(software('0.2.0')), { problem: 'current' });
});

test('a checkout builds its programs for installers, and has none to upgrade with', async () => {
  const programs = await open('0.2.0', CHECKOUT);
  assert.deepEqual(programs.versions('jumpoint', 'linux-x64'), ['0.2.0']);
  const [one, same] = await Promise.all([
    programs.archive('jumpoint', 'linux-x64', '0.2.0'),
    programs.archive('jumpoint', 'linux-x64', '0.2.0'),
  ]);
  assert.equal(one, same, 'built once');
  assert.equal(one?.about.program, 'jumpoint');
  assert.equal(
    createHash('sha256')
      .update(await readFile(one?.file ?? ''))
      .digest('hex'),
    one?.sha256,
  );
  assert.deepEqual(await programs.order(software('0.1.0')), { problem: 'no-signed-programs' });
  assert.ok(await programs.supervisor('0.2.0'));
});
