import { deepEqual, equal, ok, rejects, throws } from 'node:assert/strict';
import { createPublicKey, type KeyObject } from 'node:crypto';
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import { FolderMirror } from './folder-mirror.ts';
import { editMetadata, newKey, testManifest, TestRepository } from './testing.ts';
import { BUNDLE_LIFE_MS, METADATA_LIFE_MS, TufAuthor } from './tuf-author.ts';
import { createKeyFile, keyIdOf, openDevelopmentKeys, readKeyFile, TUF_ROLES, tufPublicKey } from './tuf-keys.ts';
import { UpdateClient } from './update-client.ts';

const log = createLog('test', 'silent');
let folder = '';
let repository: TestRepository;
let count = 0;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bascule-author-'));
  repository = await TestRepository.create(folder);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const reopen = (withStagedRoot = false) =>
  TufAuthor.open({ directory: repository.directory, now: () => repository.nowMs, withStagedRoot });

async function trustingClient(now = Date.now): Promise<UpdateClient> {
  const client = await UpdateClient.open({ directory: join(folder, `client-${++count}`), now, log });
  const root = (await new FolderMirror(repository.directory).metadata('1.root.json', 1e6)) ?? Buffer.alloc(0);
  await client.confirmTrust(root);
  return client;
}

test('every state between two files of a publication is valid for new and for known clients, whatever is rotated (package-format 3.5)', async () => {
  for (const role of TUF_ROLES) {
    const known = await trustingClient();
    await known.refresh(new FolderMirror(repository.directory));
    const between = join(folder, `between-${role}`);
    await cp(repository.directory, between, { recursive: true });
    const fresh = role === 'root' ? [newKey(), newKey()] : [newKey()];
    repository.author.changeKeys(role, fresh);
    const target = await repository.addPackage('site', `0.${++count}.0`, role);
    const files = await repository.author.publish([...repository.allKeys, ...fresh]);
    repository.keys[role] = fresh;
    await cp(join(repository.directory, 'targets'), join(between, 'targets'), { recursive: true });
    for (const name of files) {
      await cp(join(repository.directory, 'metadata', name), join(between, 'metadata', name));
      const mirror = new FolderMirror(between);
      await known.refresh(mirror);
      await (await trustingClient()).refresh(mirror);
    }
    equal(await readFile(await known.obtain(target, new FolderMirror(between)), 'utf8'), role);
  }
});

test('a lost or stolen key: the role goes on with a new key alone', async () => {
  const client = await trustingClient();
  await client.refresh(new FolderMirror(repository.directory));
  for (const role of ['timestamp', 'snapshot', 'targets', 'base'] as const) {
    const fresh = [newKey()];
    repository.author.changeKeys(role, fresh);
    repository.keys[role] = fresh;
    await repository.publish();
    await client.refresh(new FolderMirror(repository.directory));
  }
});

test('a root is signed by a threshold of the old and of the new keys, by one holder after the other', async () => {
  const [one, two, three] = repository.keys.root;
  ok(one && two && three);
  const four = newKey();
  repository.author.changeKeys('root', [two, three, four]);
  await rejects(repository.author.publish([two]), { code: 'TUF_KEYS_MISSING', message: /1 more private key/ });
  deepEqual(await repository.author.stageRoot([two]), { have: 1, need: 2 });
  ok(!(await readdir(join(repository.directory, 'metadata'))).includes('2.root.json'));
  // Another holder, another day, another machine.
  // Whoever publishes meanwhile is not held up by it.
  const meanwhile = await reopen();
  equal(meanwhile.isRootWaiting, true);
  meanwhile.renew('site');
  await meanwhile.publish(repository.allKeys);
  const later = await reopen(true);
  deepEqual(later.roleKeys('root'), { keyIds: [two, three, four].map(keyIdOf), threshold: 2 });
  deepEqual(await later.stageRoot([three]), { have: 2, need: 2 });
  const last = await reopen(true);
  deepEqual(last.rootChange().roles[0], {
    role: 'root',
    threshold: 2,
    thresholdBefore: 2,
    added: [keyIdOf(four)],
    removed: [keyIdOf(one)],
  });
  deepEqual(await last.publish([]), ['2.root.json', 'root.json']);
  const client = await trustingClient();
  await client.refresh(new FolderMirror(repository.directory));
  equal(client.trust()?.rootVersion, 2);
  await rejects(stat(join(repository.directory, 'staged', 'root.json')));
  await rejects((await reopen(true)).stageRoot([one]), { code: 'TUF_NOTHING_STAGED' });
  throws(() => last.changeKeys('root', [four]), { code: 'TUF_THRESHOLD' });
  throws(() => last.changeKeys('root', [four, four]), { code: 'TUF_THRESHOLD' });
});

test('what somebody wrote into a repository is not signed by the next who publishes', async () => {
  const stranger = newKey();
  const alterations: [string, (signed: never) => void, KeyObject[] | undefined][] = [
    [
      '1.site.json',
      ({ targets }: { targets: Record<string, unknown> }) =>
        void (targets['site/evil'] = { length: 1, hashes: { sha256: 'a'.repeat(64) } }),
      undefined,
    ],
    ['1.site.json', ({ expires }: { expires: string }) => void expires, [stranger]],
    ['1.targets.json', (signed: { expires: string }) => void (signed.expires = '2099-01-01T00:00:00Z'), undefined],
    ['1.root.json', ({ roles }: { roles: Record<string, unknown> }) => void (roles['targets'] = roles['snapshot']), undefined],
  ];
  for (const [name, edit, keys] of alterations) {
    const file = join(repository.directory, 'metadata', name);
    const honest = await readFile(file);
    await writeFile(file, editMetadata(honest, edit, keys));
    await rejects(reopen(), { code: 'TUF_REPOSITORY_ALTERED', message: new RegExp(`^${name} `) }, name);
    await writeFile(file, honest);
  }
  await reopen();
  // A root that its predecessor did not sign.
  const root = await readFile(join(repository.directory, 'metadata', '1.root.json'));
  const own = editMetadata(
    root,
    (signed: { version: number; keys: Record<string, unknown>; roles: { root: { keyids: string[]; threshold: number } } }) => {
      signed.version = 2;
      signed.keys[keyIdOf(stranger)] = tufPublicKey(stranger);
      signed.roles.root = { keyids: [keyIdOf(stranger)], threshold: 1 };
    },
    [stranger],
  );
  await writeFile(join(repository.directory, 'metadata', '2.root.json'), own);
  await rejects(reopen(), { code: 'TUF_REPOSITORY_ALTERED' });
});

test('roles whose keys are offline are signed elsewhere; snapshot and timestamp follow where those keys are', async () => {
  const elsewhere = await reopen();
  await writeFile(join(folder, 'package'), 'content');
  await elsewhere.addTarget('site', {
    path: 'site/bascule-site-0.2.0.tar.zst',
    file: join(folder, 'package'),
    custom: { bascule: testManifest('site', '0.2.0') },
  });
  deepEqual(await elsewhere.publish(repository.keys.site, { offline: true }), ['2.site.json']);
  const client = await trustingClient();
  await client.refresh(new FolderMirror(repository.directory));
  deepEqual(client.releases(), []);
  const online = await reopen();
  equal(await online.refreshOnlineRoles([...repository.keys.snapshot, ...repository.keys.timestamp]), true);
  equal(await online.refreshOnlineRoles([...repository.keys.snapshot, ...repository.keys.timestamp]), false);
  await client.refresh(new FolderMirror(repository.directory));
  equal(client.releases().length, 1);
});

test('timestamp and snapshot are renewed at half of their life', async () => {
  equal(await repository.author.refreshOnlineRoles(repository.allKeys), false);
  repository.nowMs += METADATA_LIFE_MS.timestamp / 2 + 1000;
  equal(await repository.author.refreshOnlineRoles(repository.allKeys), true);
  equal(repository.author.roleState('timestamp').version, 2);
  equal(repository.author.roleState('snapshot').version, 1);
});

test('a bundle’s timestamp lives longer, is not published, and shares its version with no other', async () => {
  const { bytes, validUntilMs } = await repository.author.bundleTimestamp(repository.allKeys);
  const bundled = JSON.parse(bytes.toString('utf8')) as { signed: { version: number; expires: string } };
  equal(validUntilMs, repository.nowMs + BUNDLE_LIFE_MS);
  equal(bundled.signed.version, 2);
  equal(Date.parse(bundled.signed.expires), Math.floor(validUntilMs / 1000) * 1000);
  equal((await reopen()).roleState('timestamp').version, 3);
  ok((await reopen()).roleState('snapshot').expiresMs > validUntilMs);
});

test('two programs that change one repository: the later is told to open it again', async () => {
  const other = await reopen();
  await repository.addPackage('site', '0.2.0', 'x');
  await repository.publish();
  other.renew('site');
  await rejects(other.publish(repository.allKeys), { code: 'TUF_CHANGED_MEANWHILE' });
  await rejects(TufAuthor.create({ directory: repository.directory, keys: repository.keys, now: Date.now }), {
    code: 'TUF_REPOSITORY_EXISTS',
  });
});

test('a publication without the keys it needs writes nothing and can be repeated', async () => {
  await repository.addPackage('site', '0.2.0', 'x');
  const before = await readdir(join(repository.directory, 'metadata'));
  await rejects(repository.author.publish(repository.keys.site), { code: 'TUF_KEYS_MISSING' });
  deepEqual(await readdir(join(repository.directory, 'metadata')), before);
  ok((await repository.publish()).includes('2.site.json'));
  await rejects(repository.author.addTarget('site', { path: 'base/x', file: join(folder, 'content') }), {
    code: 'TUF_TARGET_PATH',
  });
});

test('key files: 0600, never overwritten, development keys made once; a public key suffices for a role that is signed elsewhere', async () => {
  const file = join(folder, 'keys', 'one.pem');
  const key = await createKeyFile(file);
  equal((await stat(file)).mode & 0o777, 0o600);
  equal(keyIdOf(await readKeyFile(file)), keyIdOf(key));
  await rejects(createKeyFile(file), { code: 'KEY_FILE_EXISTS' });
  await writeFile(file, 'nothing');
  await rejects(readKeyFile(file), { code: 'KEY_FILE_UNREADABLE' });
  const keys = await openDevelopmentKeys(join(folder, 'dev'));
  const again = await openDevelopmentKeys(join(folder, 'dev'));
  deepEqual(keys.root.map(keyIdOf), again.root.map(keyIdOf));
  equal(keys.root.length, 3);
  const author = await TufAuthor.create({
    directory: join(folder, 'mixed'),
    now: Date.now,
    keys: { ...keys, client: keys.client.map((privateKey) => createPublicKey(privateKey)) },
  });
  await rejects(author.publish(Object.entries(keys).flatMap(([role, ones]) => (role === 'client' ? [] : ones))), {
    code: 'TUF_KEYS_MISSING',
  });
  await author.publish(Object.values(keys).flat());
});
