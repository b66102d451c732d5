import { deepEqual, equal, notEqual, ok, rejects } from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import { FolderMirror } from './folder-mirror.ts';
import { HttpMirror } from './http-mirror.ts';
import { AlteredMirror, newKey, TestRepository } from './testing.ts';
import { UpdateClient } from './update-client.ts';

const CONTENT = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) % 251));
const log = createLog('test', 'silent');
let folder = '';
let repository: TestRepository;
let client: UpdateClient;
let mirror: FolderMirror;
let site = '';
let server: Server | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bascule-client-'));
  repository = await TestRepository.create(folder);
  site = await repository.addPackage('site', '0.2.0', CONTENT);
  await repository.publish();
  mirror = new FolderMirror(repository.directory);
  client = await openClient();
  await client.confirmTrust((await client.readRoot(mirror)).bytes);
  await client.refresh(mirror);
});
afterEach(async () => {
  server?.closeAllConnections();
  await new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()));
  server = undefined;
  await rm(folder, { recursive: true, force: true });
});

const openClient = () => UpdateClient.open({ directory: join(folder, 'client'), now: Date.now, log });
const metadataFile = (name: string) => join(folder, 'client', 'metadata', name);
const partFile = () => join(folder, 'client', 'packages', `${client.find(site)?.sha256}.bascule-site-0.2.0.tar.zst.part`);

/** Serves the repository; `answer` may take a request for a target over. */
async function serve(answer?: (request: IncomingMessage, response: ServerResponse, bytes: Buffer) => boolean): Promise<string> {
  server = createServer((request, response) => {
    void (async () => {
      const bytes = await readFile(join(repository.directory, decodeURIComponent(request.url ?? ''))).catch(() => undefined);
      if (!bytes) return void response.writeHead(404).end();
      if (request.url?.startsWith('/targets/') && answer?.(request, response, bytes)) return;
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
      if (from > 0) response.writeHead(206, { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` });
      response.end(bytes.subarray(from));
    })();
  });
  const listening = server;
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
}

test('a mirror that cuts and is slow: the download goes on where it stopped, byte by byte', async () => {
  const ranges: (string | undefined)[] = [];
  const url = await serve((request, response, bytes) => {
    ranges.push(request.headers.range);
    const from = Number(/\d+/.exec(request.headers.range ?? '0')?.[0]);
    if (from > 200_000) return false;
    if (from > 0) response.writeHead(206, { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` });
    response.write(bytes.subarray(from, from + 100_000), () => setImmediate(() => response.destroy()));
    return true;
  });
  const seen: number[] = [];
  const file = await client.obtain(site, new HttpMirror({ url }), { onProgress: (done) => seen.push(done) });
  ok((await readFile(file)).equals(CONTENT));
  ok(ranges.length >= 3);
  equal(ranges[0], undefined);
  ok(ranges.slice(1).every((range) => /^bytes=\d+-$/.test(range ?? '')));
  deepEqual(
    seen,
    seen.toSorted((a, b) => a - b),
  );
  deepEqual(client.present(site), { bytes: CONTENT.length, verified: true });
});

test('a stopped download keeps its part, also over a restart; a server without ranges is no obstacle', async () => {
  const url = await serve((_request, response, bytes) => {
    response.end(bytes);
    return true;
  });
  const stop = new AbortController();
  const stopping = client.obtain(site, new HttpMirror({ url }), {
    signal: stop.signal,
    limitBytesPerSecond: 200_000,
    onProgress: (done) => void (done > 60_000 && stop.abort()),
  });
  await rejects(stopping, { name: 'AbortError' });
  client = await openClient();
  const { bytes, verified } = client.present(site);
  ok(bytes > 60_000 && bytes < CONTENT.length && !verified);
  equal(client.pathOf(site), undefined);
  const first: number[] = [];
  await client.obtain(site, new HttpMirror({ url }), { onProgress: (done) => first.push(done) });
  ok((first[0] ?? 0) > bytes, 'it begins after what was there');
  ok((await readFile(client.pathOf(site) ?? '')).equals(CONTENT));
});

test('a part that is wrong is thrown away and the whole fetched once more; a part that is too long too', async () => {
  await writeFile(partFile(), Buffer.alloc(1000, 1));
  await client.obtain(site, mirror);
  await client.discard(site);
  await writeFile(partFile(), Buffer.alloc(CONTENT.length + 5, 1));
  ok((await readFile(await client.obtain(site, mirror))).equals(CONTENT));
});

test('a full disk is said in a plain sentence, and the download goes on when there is room', async () => {
  await symlink('/dev/full', partFile());
  await rejects(client.obtain(site, mirror), { code: 'DISK_FULL', message: /The disk is full/ });
  await rm(partFile());
  await writeFile(partFile(), CONTENT.subarray(0, 1000));
  ok((await readFile(await client.obtain(site, mirror))).equals(CONTENT));
});

test('the rate limit holds', async () => {
  const startedAtMs = performance.now();
  await client.obtain(site, mirror, { limitBytesPerSecond: 400_000 });
  const tookMs = performance.now() - startedAtMs;
  ok(tookMs > 500 && tookMs < 5000, `${tookMs} ms`);
});

test('two that ask for one package at once get one download', async () => {
  let asked = 0;
  const counting = new AlteredMirror(
    mirror,
    (_name, bytes) => bytes,
    (path, from) => {
      asked++;
      return mirror.target(path, from);
    },
  );
  const [one, other] = await Promise.all([client.obtain(site, counting), client.obtain(site, counting)]);
  equal(one, other);
  equal(asked, 1);
});

test('a mirror that does not answer, redirects or is no mirror says so in one sentence', async () => {
  await rejects(client.refresh(new HttpMirror({ url: 'http://127.0.0.1:1' })), {
    code: 'MIRROR_UNREACHABLE',
    message: /cannot be reached/,
  });
  const silent = createServer(() => undefined);
  server = silent;
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  await rejects(client.refresh(new HttpMirror({ url, timeoutMs: 100 })), {
    code: 'MIRROR_UNREACHABLE',
    message: /no answer for 0.1 seconds/,
  });
  silent.removeAllListeners('request').on('request', (_request, response: ServerResponse) => {
    response.writeHead(302, { location: 'http://example.net/' }).end();
  });
  await rejects(client.refresh(new HttpMirror({ url })), { code: 'MIRROR_REDIRECTS' });
  silent.removeAllListeners('request').on('request', (_request, response: ServerResponse) => response.writeHead(404).end());
  await rejects(client.readRoot(new HttpMirror({ url })), { code: 'MIRROR_INCOMPLETE' });
  await rejects(client.refresh(new HttpMirror({ url })), { code: 'MIRROR_INCOMPLETE', message: /timestamp\.json is missing/ });
  silent.removeAllListeners('request').on('request', (_request, response: ServerResponse) => {
    response.writeHead(200);
    const more = () => void (response.destroyed || response.write(Buffer.alloc(65_536, 32), () => setImmediate(more)));
    more();
  });
  await rejects(client.readRoot(new HttpMirror({ url })), { code: 'MIRROR_TOO_LARGE' });
  for (const bad of ['ftp://example.net', 'not a url', 'https://me:secret@example.net'])
    await rejects(async () => new HttpMirror({ url: bad }), { code: 'MIRROR_URL' });
});

test('trust: without a confirmed root nothing is done; what is no root is refused', async () => {
  const fresh = await UpdateClient.open({ directory: join(folder, 'fresh'), now: Date.now, log });
  equal(fresh.trust(), undefined);
  await rejects(fresh.refresh(mirror), { code: 'TRUST_MISSING' });
  await rejects(fresh.confirmTrust(Buffer.from('{}')), { code: 'TRUST_INVALID' });
  const other = await TestRepository.create(join(folder, 'other'));
  const found = await client.readRoot(new FolderMirror(other.directory));
  notEqual(found.sha256, client.trust()?.rootSha256);
  equal(found.threshold, 2);
  equal(found.keyIds.length, 3);
  await client.confirmTrust(found.bytes);
  equal(client.trust()?.rootSha256, found.sha256);
  deepEqual(client.releases(), []);
  await rejects(client.refresh(mirror), { code: /METADATA_/ });
  deepEqual((await client.refresh(new FolderMirror(other.directory))).validUntilMs, client.validUntilMs());
});

test('half-written or garbled metadata is repaired when opened, the root from what is kept apart', async () => {
  for (const name of ['root.json', 'timestamp.json', 'snapshot.json', 'targets.json', 'site.json']) {
    for (const spoil of [
      () => truncate(metadataFile(name), 50),
      () => writeFile(metadataFile(name), Buffer.alloc(300)),
      () => rm(metadataFile(name)),
    ]) {
      await spoil();
      client = await openClient();
      equal(client.trust()?.rootVersion, 1, name);
      await client.refresh(mirror);
      ok(client.find(site), name);
    }
  }
});

test('the root never goes back: a newer kept root stands against an older root.json', async () => {
  const old = await readFile(metadataFile('root.json'));
  repository.author.renew('root');
  await repository.publish();
  await client.refresh(mirror);
  equal(client.trust()?.rootVersion, 2);
  await writeFile(metadataFile('root.json'), old);
  client = await openClient();
  equal(client.trust()?.rootVersion, 2);
});

test('what was verified is on disk even when the rest of the update fails', async () => {
  repository.author.renew('root');
  await repository.addPackage('site', '0.3.0', 'newer');
  await repository.publish();
  const broken = new AlteredMirror(mirror, (name, bytes) => (/snapshot/.test(name) ? undefined : bytes));
  await rejects(client.refresh(broken), { code: 'MIRROR_INCOMPLETE' });
  equal(client.trust()?.rootVersion, 2);
  equal(
    (JSON.parse(await readFile(metadataFile('timestamp.json'), 'utf8')) as { signed: { version: number } }).signed.version,
    3,
  );
  deepEqual(await readdir(join(folder, 'client', 'scratch')), []);
  deepEqual(
    (await readdir(join(folder, 'client', 'metadata'))).filter((name) => !name.endsWith('.json')),
    [],
  );
});

test('a package that was changed on disk is found out and removed', async () => {
  const file = await client.obtain(site, mirror);
  equal(await client.verifyAgain(site), file);
  await chmod(file, 0o600);
  await writeFile(file, Buffer.alloc(CONTENT.length, 9));
  await rejects(client.verifyAgain(site), { code: 'PACKAGE_HASH' });
  await rejects(stat(file));
  await rejects(client.obtain('site/unknown', mirror), { code: 'PACKAGE_UNKNOWN' });
});

test('packages that nobody signs any more can be removed, and are not installable', async () => {
  await client.obtain(site, mirror);
  repository.author.removeTarget('site', site);
  await repository.publish();
  await client.refresh(mirror);
  equal(client.pathOf(site), undefined);
  equal(await client.discardUnknown(), 1);
  deepEqual(await readdir(join(folder, 'client', 'packages')), []);
});

test('rotation of every role goes unnoticed by clients, and a revoked key is out', async () => {
  for (const role of ['root', 'targets', 'snapshot', 'timestamp', 'base', 'site', 'licence', 'client', 'runtime'] as const) {
    const old = repository.keys[role];
    const fresh = role === 'root' ? [newKey(), newKey(), newKey()] : [newKey()];
    repository.author.changeKeys(role, fresh);
    await repository.author.publish([...repository.allKeys, ...fresh]);
    repository.keys[role] = fresh;
    await client.refresh(mirror);
    repository.author.renew(role);
    await rejects(repository.author.publish([...repository.allKeys.filter((key) => !fresh.includes(key)), ...old]), {
      code: 'TUF_KEYS_MISSING',
    });
    await repository.publish();
    await client.refresh(mirror);
  }
  ok(client.find(site));
});
