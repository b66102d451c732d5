/** The attacks that the TUF specification names (1.5.2), each by changing one thing in a valid repository (package-format 4.6). */
import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, test } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import { consistentPath } from './consistent-path.ts';
import { FolderMirror } from './folder-mirror.ts';
import { AlteredMirror, editMetadata, newKey, TestRepository, testManifest } from './testing.ts';
import { UpdateClient } from './update-client.ts';

const DAY_MS = 86_400_000;
let folder = '';
let repository: TestRepository;
let client: UpdateClient;
let mirror: FolderMirror;
let site = '';
let nowMs = 0;
let logged = '';

const log = createLog(
  'test',
  'debug',
  new Writable({
    write(chunk, _encoding, done) {
      logged += String(chunk);
      done();
    },
  }),
);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bascule-attacks-'));
  nowMs = Date.now();
  logged = '';
  repository = await TestRepository.create(folder, nowMs);
  site = await repository.addPackage('site', '0.2.0', 'the site');
  await repository.addPackage('base', '0.2.0', 'the base');
  await repository.publish();
  mirror = new FolderMirror(repository.directory);
  client = await openClient();
  await client.confirmTrust((await client.readRoot(mirror)).bytes);
  await client.refresh(mirror);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const openClient = () => UpdateClient.open({ directory: join(folder, 'client'), now: () => nowMs, log });
const targetsOf = () => client.releases().map((release) => release.target);

/** What the client keeps, by name. */
async function kept(): Promise<Record<string, string>> {
  const metadata = join(folder, 'client', 'metadata');
  const names = (await readdir(metadata)).toSorted();
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await readFile(join(metadata, name), 'utf8')])));
}

/** `work` is refused with `code`, the client trusts what it trusted, and an honest mirror serves it afterwards. */
async function harmless(work: () => Promise<unknown>, code: string): Promise<void> {
  const before = targetsOf();
  await rejects(work, { code });
  deepEqual(
    targetsOf().filter((target) => !before.includes(target)),
    [],
  );
  await client.refresh(mirror);
}

/** The mirror with the metadata files that match `name` changed. */
const altered = (name: RegExp, change: (bytes: Buffer) => Buffer) =>
  new AlteredMirror(mirror, (file, bytes) => (bytes !== undefined && name.test(file) ? change(bytes) : bytes));

test('arbitrary software: metadata that strangers signed is refused, role by role', async () => {
  await repository.addPackage('site', '0.3.0', 'newer');
  await repository.publish();
  const stranger = newKey();
  for (const role of ['timestamp', 'snapshot', 'site'])
    await harmless(async () => {
      client = await freshClient();
      await client.refresh(altered(new RegExp(`${role}\\.json$`), (bytes) => editMetadata(bytes, () => undefined, [stranger])));
    }, 'METADATA_REFUSED');
});

/** Another client, that has only the root. */
async function freshClient(): Promise<UpdateClient> {
  await rm(join(folder, 'client'), { recursive: true, force: true });
  const fresh = await openClient();
  await fresh.confirmTrust((await fresh.readRoot(mirror)).bytes);
  return fresh;
}

test('arbitrary software: other bytes for a package are refused and not kept', async () => {
  const other = new AlteredMirror(
    mirror,
    (_name, bytes) => bytes,
    async function* () {
      yield Buffer.from('evil site!'.slice(0, 8));
    },
  );
  await rejects(client.obtain(site, other), { code: 'PACKAGE_HASH' });
  deepEqual(await readdir(join(folder, 'client', 'packages')), []);
  equal(await readFile(await client.obtain(site, mirror), 'utf8'), 'the site');
});

test('rollback: an old timestamp is refused', async () => {
  await cp(repository.directory, join(folder, 'old'), { recursive: true });
  await repository.addPackage('site', '0.3.0', 'newer');
  await repository.publish();
  await client.refresh(mirror);
  const before = await kept();
  await harmless(() => client.refresh(new FolderMirror(join(folder, 'old'))), 'METADATA_OLDER');
  deepEqual(await kept(), before);
});

test('rollback: a newer timestamp that names an old snapshot is refused', async () => {
  await repository.addPackage('site', '0.3.0', 'newer');
  await repository.publish();
  await client.refresh(mirror);
  const back = altered(/^timestamp\.json$/, (bytes) =>
    editMetadata(
      bytes,
      (signed: { version: number; meta: { 'snapshot.json': { version: number } } }) => {
        signed.version += 1;
        signed.meta['snapshot.json'].version -= 1;
      },
      repository.keys.timestamp,
    ),
  );
  await harmless(() => client.refresh(back), 'METADATA_OLDER');
});

test('rollback: with the keys of timestamp and snapshot, delegated targets still do not go back', async () => {
  await repository.addPackage('site', '0.3.0', 'newer');
  await repository.publish();
  await client.refresh(mirror);
  const before = targetsOf();
  const forged = await forgeSnapshot(({ meta }) => {
    meta['site.json'] = { version: 1 };
  });
  await rejects(client.refresh(forged), { code: 'METADATA_OLDER' });
  ok(before.includes('site/bascule-site-0.3.0.tar.zst'));
  deepEqual(targetsOf(), before);
  // The forged timestamp was signed and is kept, as the specification says; after a restart nothing is offered before the next whole update.
  client = await openClient();
  deepEqual(targetsOf(), []);
});

test('mix-and-match: what the snapshot does not name counts for nothing, whatever lies on the disk', async () => {
  const forged = await forgeSnapshot(({ meta }) => {
    delete meta['site.json'];
  });
  const timestamp = (await forged.metadata('timestamp.json', 1e6)) ?? Buffer.alloc(0);
  const { signed } = JSON.parse(timestamp.toString()) as { signed: { version: number } };
  const snapshot = (await forged.metadata(`${signed.version}.snapshot.json`, 1e6)) ?? Buffer.alloc(0);
  await writeFile(join(folder, 'client', 'metadata', 'timestamp.json'), timestamp);
  await writeFile(join(folder, 'client', 'metadata', 'snapshot.json'), snapshot);
  client = await openClient();
  deepEqual(targetsOf(), []);
});

/** A mirror on which somebody with the online keys published another snapshot. */
async function forgeSnapshot(
  edit: (signed: { version: number; meta: Record<string, { version: number }> }) => void,
): Promise<AlteredMirror> {
  const { version } = repository.author.roleState('snapshot');
  const honest = (await mirror.metadata(`${version}.snapshot.json`, 1e6)) ?? Buffer.alloc(0);
  let forgedVersion = 0;
  const snapshot = editMetadata(
    honest,
    (signed: { version: number; meta: Record<string, { version: number }> }) => {
      signed.version += 1;
      edit(signed);
      forgedVersion = signed.version;
    },
    repository.keys.snapshot,
  );
  return new AlteredMirror(mirror, (name, bytes) => {
    if (name === `${forgedVersion}.snapshot.json`) return snapshot;
    if (name !== 'timestamp.json' || bytes === undefined) return bytes;
    return editMetadata(
      bytes,
      (signed: { version: number; meta: Record<string, unknown> }) => {
        signed.version = forgedVersion;
        signed.meta = { 'snapshot.json': { version: forgedVersion } };
      },
      repository.keys.timestamp,
    );
  });
}

test('fast-forward: after the keys were rotated, clients recover from version numbers that were driven up', async () => {
  const forged = await forgeSnapshot((signed) => {
    signed.version = 1_000_000;
  });
  await client.refresh(forged);
  await rejects(client.refresh(mirror), { code: 'METADATA_OLDER' });
  repository.keys.timestamp = [newKey()];
  repository.keys.snapshot = [newKey()];
  repository.author.changeKeys('timestamp', repository.keys.timestamp);
  repository.author.changeKeys('snapshot', repository.keys.snapshot);
  await repository.addPackage('site', '0.3.0', 'newer');
  await repository.publish();
  await client.refresh(mirror);
  ok(targetsOf().includes('site/bascule-site-0.3.0.tar.zst'));
});

test('freeze: metadata that is not renewed expires by the effective time, though the system clock says otherwise', async () => {
  await client.obtain(site, mirror);
  nowMs += 6 * DAY_MS;
  await client.refresh(mirror);
  nowMs += 2 * DAY_MS;
  await rejects(client.refresh(mirror), { code: 'METADATA_EXPIRED' });
  await rejects(client.obtain('base/bascule-base-0.2.0.tar.zst', mirror), { code: 'METADATA_EXPIRED' });
  // What was verified in time can still be installed, and what exists can still be seen.
  equal(client.present(site).verified, true);
  ok(await client.obtain(site, mirror));
  equal(targetsOf().length, 2);
  repository.nowMs = nowMs;
  await repository.author.refreshOnlineRoles(repository.allKeys);
  await client.refresh(mirror);
});

test('freeze: newer metadata that has expired by the effective time is not even kept', async () => {
  const before = await kept();
  await repository.addPackage('site', '0.3.0', 'newer');
  await repository.publish();
  nowMs += 8 * DAY_MS;
  await rejects(client.refresh(mirror), { code: 'METADATA_EXPIRED' });
  deepEqual(await kept(), before);
});

test('freeze: metadata that has expired for the system clock too is refused, and an expired root', async () => {
  const old = await TestRepository.create(join(folder, 'old'), nowMs - 8 * DAY_MS);
  const oldMirror = new FolderMirror(old.directory);
  await client.confirmTrust((await client.readRoot(oldMirror)).bytes);
  await rejects(client.refresh(oldMirror), { code: 'METADATA_EXPIRED' });
  await client.confirmTrust((await client.readRoot(mirror)).bytes);
  nowMs += 366 * DAY_MS;
  await rejects(client.refresh(mirror), (error: { code: string; message: string }) => {
    match(error.message, /root/);
    return error.code === 'METADATA_EXPIRED';
  });
});

test('endless data: metadata beyond its limit and packages beyond their signed length are cut off', async () => {
  const huge = new AlteredMirror(mirror, (name, bytes) => (name === 'timestamp.json' ? Buffer.alloc(20_000, 32) : bytes));
  await harmless(() => client.refresh(huge), 'MIRROR_TOO_LARGE');
  let given = 0;
  const endless = new AlteredMirror(
    mirror,
    (_name, bytes) => bytes,
    async function* () {
      for (;;) yield Buffer.alloc(1024, ++given);
    },
  );
  await rejects(client.obtain(site, endless), { code: 'PACKAGE_HASH' });
  equal(given, 1);
});

test('extraneous dependencies: what a package requires is signed', async () => {
  client = await freshClient();
  const edited = altered(/^\d+\.site\.json$/, (bytes) =>
    editMetadata(bytes, (signed: { targets: Record<string, { custom: { bascule: { requires: unknown } } }> }) => {
      for (const target of Object.values(signed.targets)) target.custom.bascule.requires = { base: '>=9.0.0' };
    }),
  );
  await harmless(() => client.refresh(edited), 'METADATA_REFUSED');
  deepEqual(client.find(site)?.manifest?.requires, {});
});

test('mix-and-match: roles of different moments do not go together', async () => {
  const oldVersion = repository.author.roleState('site').version;
  const old = (await mirror.metadata(`${oldVersion}.site.json`, 1e6)) ?? Buffer.alloc(0);
  await repository.addPackage('site', '0.3.0', 'newer');
  await repository.publish();
  const mixed = altered(/^\d+\.site\.json$/, () => old);
  await harmless(() => client.refresh(mixed), 'METADATA_OLDER');
  const oldSnapshot = (await mirror.metadata('1.snapshot.json', 1e6)) ?? Buffer.alloc(0);
  await repository.addPackage('site', '0.4.0', 'newest');
  await repository.publish();
  await rejects(client.refresh(altered(/snapshot\.json$/, () => oldSnapshot)), { code: 'METADATA_REFUSED' });
  ok(!targetsOf().includes('site/bascule-site-0.4.0.tar.zst'), 'nothing is offered from a set that does not fit together');
  await client.refresh(mirror);
});

test('wrong software: a role signs only what lies in its folder, and another package under its name is refused', async () => {
  const base = repository.author.targets('base')[0];
  const { version } = repository.author.roleState('base');
  const forged = new AlteredMirror(mirror, (name, bytes) => {
    if (name !== `${version}.base.json` || bytes === undefined) return bytes;
    return editMetadata(
      bytes,
      (signed: { targets: Record<string, unknown> }) => {
        const entry = { length: 8, hashes: { sha256: base?.sha256 }, custom: { bascule: testManifest('site', '0.9.0') } };
        signed.targets['site/bascule-site-0.9.0.tar.zst'] = entry;
        signed.targets['base/bascule-base-0.9.0.tar.zst'] = entry;
        signed.targets['base/../site/bascule-site-0.9.1.tar.zst'] = entry;
      },
      repository.keys.base,
    );
  });
  client = await freshClient();
  await client.refresh(forged);
  deepEqual(targetsOf(), ['base/bascule-base-0.2.0.tar.zst', site]);
  match(logged, /the role may not sign this path/);
  match(logged, /the manifest is of the kind site/);
  const swapped = new AlteredMirror(
    mirror,
    (_name, bytes) => bytes,
    (_path, from) => mirror.target(consistentPath(base?.path ?? '', base?.sha256 ?? ''), from),
  );
  await rejects(client.obtain(site, swapped), { code: 'PACKAGE_HASH' });
});

test('a target whose manifest is invalid, or whose name does not fit it, is ignored with a log line', async () => {
  await repository.add('site', 'site/bascule-site-0.5.0.tar.zst', 'x', { bascule: { kind: 'site' } });
  await repository.add('site', 'site/bascule-site-0.6.0.tar.zst', 'x', { bascule: testManifest('site', '0.7.0') });
  await repository.add('site', 'site/bascule-site-0.8.0.tar.zst', 'x');
  await repository.add('runtime', 'runtime/not-its-hash.tar.zst', 'x');
  await repository.add('licence', 'licence/example-1.0.0.tar.zst', 'x', {
    bascule: { ...testManifest('licence', '1.0.0'), licence: undefined },
  });
  await repository.publish();
  await client.refresh(mirror);
  deepEqual(targetsOf(), ['base/bascule-base-0.2.0.tar.zst', site]);
  equal(logged.match(/updates\.target-ignored/g)?.length, 5);
});

test('malicious mirror: any file that is altered, exchanged or left out is noticed, and an honest mirror helps', async () => {
  const names = repository.author.metadataFiles(1).filter((name) => name !== 'root.json');
  ok(names.length >= 8);
  for (const name of names) {
    for (const change of [
      (bytes: Buffer) => editMetadata(bytes, (signed: { version: number }) => void (signed.version += 1)),
      (bytes: Buffer) => bytes.subarray(0, bytes.length / 2),
      () => Buffer.alloc(0),
      () => Buffer.from('{"signed":{},"signatures":[]}'),
      () => undefined,
    ]) {
      client = await freshClient();
      const bad = new AlteredMirror(mirror, (file, bytes) => (file === name && bytes !== undefined ? change(bytes) : bytes));
      await rejects(
        client.refresh(bad),
        ({ code }: { code: string }) => /^METADATA_REFUSED|^METADATA_OLDER|^MIRROR_INCOMPLETE/.test(code),
        name,
      );
      deepEqual(targetsOf(), []);
    }
  }
  await client.refresh(mirror);
  equal(targetsOf().length, 2);
});

test('key compromise below the threshold: one root key of three cannot make a root, not even twice over', async () => {
  const [stolen] = repository.keys.root;
  const root = (await mirror.metadata('1.root.json', 1e6)) ?? Buffer.alloc(0);
  const evil = newKey();
  for (const keys of [[stolen], [stolen, evil], [evil], []]) {
    const forged = editMetadata(
      root,
      (signed: { version: number }) => {
        signed.version = 2;
      },
      keys.filter((key) => key !== undefined),
    );
    await harmless(
      () => client.refresh(new AlteredMirror(mirror, (name, bytes) => (name === '2.root.json' ? forged : bytes))),
      'METADATA_REFUSED',
    );
    equal(client.trust()?.rootVersion, 1);
  }
  const twice = JSON.parse(
    editMetadata(root, (signed: { version: number }) => void (signed.version = 2), [stolen ?? evil]).toString('utf8'),
  ) as {
    signatures: unknown[];
  };
  twice.signatures.push(twice.signatures[0]);
  const doubled = Buffer.from(JSON.stringify(twice));
  await harmless(
    () => client.refresh(new AlteredMirror(mirror, (name, bytes) => (name === '2.root.json' ? doubled : bytes))),
    'METADATA_REFUSED',
  );
});

test('a role whose key was revoked signs nothing any more', async () => {
  const [stolen] = repository.keys.site;
  repository.keys.site = [newKey()];
  repository.author.changeKeys('site', repository.keys.site);
  await repository.publish();
  const { version } = repository.author.roleState('site');
  client = await freshClient();
  const forged = altered(new RegExp(`^${version}\\.site\\.json$`), (bytes) =>
    editMetadata(bytes, () => undefined, stolen && [stolen]),
  );
  await harmless(() => client.refresh(forged), 'METADATA_REFUSED');
});
