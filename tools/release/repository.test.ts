/** The commands about repositories and keys, seen by an appliance's client. */
import assert from 'node:assert/strict';
import { chmodSync, cpSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { AppError } from '@bascule/errors/app-error.ts';
import { createLog } from '@bascule/log/log.ts';
import { FolderMirror } from '@bascule/package-format/folder-mirror.ts';
import { TufAuthor } from '@bascule/package-format/tuf-author.ts';
import { UpdateClient } from '@bascule/package-format/update-client.ts';
import { buildPackage } from './build.ts';
import { ReleaseError } from './release-error.ts';
import { runRepositoryCommand } from './repository-commands.ts';

const CHECKOUT = resolve(import.meta.dirname, '..', '..');

let directory: string;
let repository: string;
let keys: string;
let said: string[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bascule-repository-'));
  repository = join(directory, 'repository');
  keys = join(directory, 'keys');
  said = [];
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

async function run(...args: string[]): Promise<string> {
  said = [];
  assert.ok(await runRepositoryCommand(args[0]!, args.slice(1), (text) => said.push(text)));
  return said.join('\n');
}

/** What an appliance trusts from its first look on. */
async function appliance(): Promise<UpdateClient> {
  const client = await UpdateClient.open({
    directory: join(directory, 'client'),
    now: Date.now,
    log: createLog('test', 'silent'),
  });
  if (client.trust() === undefined) await client.confirmTrust((await client.readRoot(new FolderMirror(repository))).bytes);
  return client;
}

async function licence(version: string, endpoints: number): Promise<string> {
  const terms = {
    holder: 'Muster',
    maintainedUntilMs: 1_900_000_000_000,
    endpoints,
    concurrentRepresentatives: null,
    expiresAtMs: null,
  };
  const overrides = { revision: 'test', releasedAtMs: 1_800_000_000_000, licence: terms };
  const [built] = await buildPackage({ source: CHECKOUT, kind: 'licence', version, out: join(directory, 'out'), overrides });
  return join(directory, 'out', built!.target);
}

async function keyIds(role: 'root' | 'licence' | 'timestamp'): Promise<string[]> {
  return (await TufAuthor.open({ directory: repository, now: Date.now })).roleKeys(role).keyIds;
}

describe('publishing', () => {
  test('with development keys: an appliance finds the package, with the manifest that is in it', async () => {
    assert.match(await run('repository', '--repository', repository, '--keys', keys), /development keys/);
    assert.equal(statSync(keys).mode & 0o777, 0o700);
    for (const name of readdirSync(keys)) assert.equal(statSync(join(keys, name)).mode & 0o777, 0o600, name);
    const archive = await licence('1.0.0', 10);
    const client = await appliance();
    await run('publish', archive, '--repository', repository, '--keys', keys);
    await client.refresh(new FolderMirror(repository));
    const [release] = client.releases();
    assert.equal(release?.target, 'licence/muster-1.0.0.tar.zst');
    assert.equal(release?.role, 'licence');
    assert.deepEqual(release?.manifest, JSON.parse(readFileSync(`${archive}.json`, 'utf8')).manifest);
    const file = await client.obtain(release?.target ?? '', new FolderMirror(repository), {});
    assert.ok(readFileSync(file).equals(readFileSync(archive)));
  });

  test('development keys are not overwritten, and a repository neither', async () => {
    await run('repository', '--repository', repository, '--keys', keys);
    const before = readFileSync(join(keys, 'base.pem'), 'utf8');
    await assert.rejects(run('repository', '--repository', repository, '--keys', keys), ReleaseError);
    await run('keys', 'create', '--keys', keys);
    assert.match(said.join('\n'), /stays as it is/);
    assert.equal(readFileSync(join(keys, 'base.pem'), 'utf8'), before);
  });

  test('what is published never changes', async () => {
    await run('repository', '--repository', repository, '--keys', keys);
    await run('publish', await licence('1.0.0', 10), '--repository', repository, '--keys', keys);
    assert.match(await run('publish', await licence('1.0.0', 10), '--repository', repository, '--keys', keys), /already/);
    await assert.rejects(run('publish', await licence('1.0.0', 99), '--repository', repository, '--keys', keys), /never changes/);
  });

  test('a key file that others can read is refused', async () => {
    await run('repository', '--repository', repository, '--keys', keys);
    chmodSync(join(keys, 'site.pem'), 0o644);
    await assert.rejects(run('refresh', '--repository', repository, '--keys', keys), /read by others/);
  });

  test('signed apart from the online keys, it is seen when those have signed', async () => {
    const online = join(directory, 'online');
    await run('repository', '--repository', repository, '--keys', keys);
    for (const role of ['snapshot', 'timestamp']) {
      cpSync(join(keys, `${role}.pem`), join(online, `${role}.pem`));
      chmodSync(join(online, `${role}.pem`), 0o600);
      rmSync(join(keys, `${role}.pem`));
    }
    const client = await appliance();
    const mirror = new FolderMirror(repository);
    assert.match(await run('publish', await licence('1.0.0', 10), '--repository', repository, '--keys', keys), /refresh/);
    await client.refresh(mirror);
    assert.deepEqual(client.releases(), []);
    await run('refresh', '--repository', repository, '--keys', online);
    await client.refresh(mirror);
    assert.equal(client.releases().length, 1);
  });
});

describe('the key ceremony', () => {
  const holder = (number: number): string => join(directory, 'holders', `holder-${number}`);
  const rootOf = (text: string): string => /--root ([0-9a-f]{64})/.exec(text)?.[1] ?? '';
  const signRoot = (root: string, ...folders: string[]): Promise<string> =>
    run('keys', 'sign-root', '--repository', repository, '--root', root, ...folders.flatMap((folder) => ['--keys', folder]));

  beforeEach(async () => {
    await run('keys', 'root', '--out', join(directory, 'holders'), '--keys', '3', '--threshold', '2');
    await run('keys', 'create', '--keys', keys);
    const all = [1, 2, 3].flatMap((number) => ['--keys', holder(number)]);
    await run('repository', '--repository', repository, '--keys', keys, ...all, '--threshold', '2');
  });

  test('a key of a delegated role is replaced without root, and the old one is worth nothing', async () => {
    const client = await appliance();
    const [old] = await keyIds('licence');
    await run('keys', 'rotate', 'licence', '--repository', repository, '--keys', keys);
    assert.notDeepEqual(await keyIds('licence'), [old]);
    await run('publish', await licence('1.0.0', 10), '--repository', repository, '--keys', keys);
    await client.refresh(new FolderMirror(repository));
    assert.equal(client.releases().length, 1);
    renameSync(join(keys, 'licence-2.pem'), join(directory, 'licence-2.pem'));
    await assert.rejects(
      run('publish', await licence('1.0.1', 10), '--repository', repository, '--keys', keys),
      (error) => error instanceof AppError && error.code === 'TUF_KEYS_MISSING',
    );
  });

  test('a key that root names is replaced when two of its three holders have signed, each in turn', async () => {
    const client = await appliance();
    const before = await keyIds('timestamp');
    assert.match(await run('keys', 'rotate', 'timestamp', '--repository', repository, '--keys', keys), /0 of 2 signatures/);
    await client.refresh(new FolderMirror(repository));
    assert.equal(client.trust()?.rootVersion, 1, 'nothing is published yet');
    const change = await run('keys', 'sign-root', '--repository', repository, '--keys', holder(3));
    assert.match(change, new RegExp(`timestamp: 1 must sign\\n    \\+ [0-9a-f]{64}\\n    - ${before[0]}\\nNothing was signed`));
    const root = rootOf(change);
    assert.match(await signRoot(root, holder(3)), /1 of 2 signatures/);
    await assert.rejects(run('keys', 'rotate', 'snapshot', '--repository', repository, '--keys', keys), /A root waits/);
    // Somebody put another root in its place, on its way from holder to holder.
    const staged = join(repository, 'staged', 'root.json');
    const honest = readFileSync(staged, 'utf8');
    writeFileSync(staged, honest.replace('"expires": "20', '"expires": "21'));
    await assert.rejects(signRoot(root, holder(1)), /another one than you confirmed/);
    writeFileSync(staged, honest);
    await signRoot(root, keys, holder(1));
    assert.match(said.join('\n'), /2\.root\.json/);
    await client.refresh(new FolderMirror(repository));
    assert.equal(client.trust()?.rootVersion, 2);
    assert.notDeepEqual(await keyIds('timestamp'), before);
  });

  test('a lost root key is replaced by the other two, and appliances follow', async () => {
    const client = await appliance();
    const [lost = '', ...others] = await keyIds('root');
    rmSync(holder(1), { recursive: true });
    const fresh = join(directory, 'holders', 'holder-4');
    await run('keys', 'rotate', 'root', '--replace', lost, '--repository', repository, '--keys', fresh, '--keys', holder(2));
    assert.match(said.join('\n'), /waits/);
    await signRoot(rootOf(said.join('\n')), holder(3), keys);
    const now = await keyIds('root');
    assert.ok(!now.includes(lost) && others.every((other) => now.includes(other)) && now.length === 3);
    await client.refresh(new FolderMirror(repository));
    assert.equal(client.trust()?.rootVersion, 2);
    await assert.rejects(
      run('keys', 'revoke', 'licence', (await keyIds('licence'))[0]!, '--repository', repository, '--keys', keys),
      /rotate licence/,
    );
  });

  test('keys show says which key has which role, and who keeps it', async () => {
    const text = await run('keys', 'show', '--repository', repository, '--keys', keys, '--keys', holder(2));
    assert.match(text, /root: version 1, .* 2 of 3 must sign/);
    assert.equal(text.match(/kept elsewhere/g)?.length, 2);
    assert.ok(text.includes(join(keys, 'base.pem')));
    writeFileSync(join(keys, 'stranger.pem'), 'not a role');
    await run('keys', 'show', '--keys', keys);
  });
});
