import { deepEqual, equal, ok, rejects, throws } from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { AppError } from '@bascule/errors/app-error.ts';
import { createLog } from '@bascule/log/log.ts';
import { BundleMirror, bundleBytes, checkBundle, writeBundle, type BundleAbout, type BundleEntry } from './bundle-file.ts';
import { FolderMirror } from './folder-mirror.ts';
import { encodeTarHeader, TAR_END, tarPadding } from './tar-format.ts';
import { TestRepository } from './testing.ts';
import { UpdateClient } from './update-client.ts';

const APPLIANCE_ID = 'b'.repeat(64);
const CONTENT = Buffer.from(Array.from({ length: 200_000 }, (_, index) => index % 253));
let folder = '';
let repository: TestRepository;
let site = '';
let runtime = '';
let good: Buffer;
let about: BundleAbout;
let entries: BundleEntry[];
let count = 0;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bascule-bundle-'));
  repository = await TestRepository.create(folder);
  site = await repository.addPackage('site', '0.2.0', CONTENT);
  await repository.addPackage('site', '0.3.0', 'not asked for');
  runtime = `runtime/${createHash('sha256').update('a runtime').digest('hex')}.tar.zst`;
  await repository.add('runtime', runtime, 'a runtime');
  await repository.publish();
  const { bytes, validUntilMs } = await repository.author.bundleTimestamp(repository.allKeys);
  entries = await Promise.all(
    repository.author.metadataFiles(0).map(async (name) => ({
      name: `metadata/${name}`,
      source: name === 'timestamp.json' ? bytes : ((await repository.author.metadataFile(name)) ?? Buffer.alloc(0)),
    })),
  );
  about = {
    format: 'bascule-bundle/1',
    applianceId: APPLIANCE_ID,
    applianceName: 'access.example.net',
    keyNonce: 'abcdefghijklmnopqrstuv',
    createdAtMs: Date.now(),
    validUntilMs,
    packages: [],
  };
  for (const target of [runtime, site]) {
    const file = repository.author.targetFile(target);
    ok(file);
    about.packages.push({ target, sha256: file.sha256, lengthBytes: file.lengthBytes });
    entries.push({
      name: `targets/${file.relativePath}`,
      source: { file: join(repository.author.targetsDirectory, file.relativePath), lengthBytes: file.lengthBytes },
    });
  }
  good = await collect(writeBundle(about, entries));
});
after(() => rm(folder, { recursive: true, force: true }));

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}
async function file(bytes: Uint8Array): Promise<string> {
  const path = join(folder, `${++count}.bascule-update`);
  await writeFile(path, bytes);
  return path;
}
async function outcome(bytes: Uint8Array): Promise<string> {
  try {
    await (await BundleMirror.open(await file(bytes))).close();
    return 'opened';
  } catch (error) {
    return error instanceof AppError ? error.code : String(error);
  }
}

test('the same client updates from a carried file: root chain, metadata and exactly the packages (package-format 5)', async () => {
  equal(bundleBytes(about, entries), good.length);
  const bundle = await BundleMirror.open(await file(good));
  deepEqual(bundle.about, about);
  let nowMs = Date.now();
  const client = await UpdateClient.open({
    directory: join(folder, 'client'),
    now: () => nowMs,
    log: createLog('test', 'silent'),
  });
  await client.confirmTrust((await client.readRoot(bundle)).bytes);
  nowMs += 20 * 86_400_000;
  await client.refresh(bundle);
  for (const target of [runtime, site]) await client.obtain(target, bundle);
  ok((await readFile(client.pathOf(site) ?? '')).equals(CONTENT));
  await rejects(client.obtain('site/bascule-site-0.3.0.tar.zst', bundle), { code: 'MIRROR_TARGET_MISSING' });
  nowMs += 11 * 86_400_000;
  await rejects(client.refresh(bundle), { code: 'METADATA_EXPIRED' });
  await bundle.close();
  // And online again, where the timestamp's version is higher.
  nowMs = Date.now();
  await client.refresh(new FolderMirror(repository.directory));
});

test('a download from a bundle goes on from an offset', async () => {
  const bundle = await BundleMirror.open(await file(good));
  const path = repository.author.targetFile(site)?.relativePath ?? '';
  ok((await collect(bundle.target(path, 123_456))).equals(CONTENT.subarray(123_456)));
  await bundle.close();
});

test('another appliance’s file, another key’s file and one whose time is over are refused in one sentence', () => {
  const mine = { applianceId: APPLIANCE_ID, nowMs: about.createdAtMs, keyNonces: [about.keyNonce] };
  checkBundle(about, mine);
  throws(() => checkBundle(about, { ...mine, applianceId: 'c'.repeat(64) }), {
    code: 'BUNDLE_OTHER_APPLIANCE',
    message: /access\.example\.net/,
  });
  throws(() => checkBundle(about, { ...mine, keyNonces: ['other-nonce-000000'] }), { code: 'BUNDLE_OTHER_KEY' });
  throws(() => checkBundle(about, { ...mine, nowMs: about.validUntilMs }), { code: 'BUNDLE_EXPIRED' });
});

test('a bundle that is cut short, that lacks a package or that something follows is refused', async () => {
  for (const bytes of [0, 100, 512, 5000, good.length - 600, good.length - 1])
    equal(await outcome(good.subarray(0, bytes)), 'BUNDLE_INCOMPLETE', `${bytes}`);
  equal(await outcome(Buffer.concat([good, Buffer.from('x')])), 'BUNDLE_MALFORMED');
  equal(
    await outcome(Buffer.from('no bundle at all, but some text that is longer than one block of tar'.repeat(20))),
    'BUNDLE_MALFORMED',
  );
  await rejects(collect(writeBundle(about, entries.slice(0, -1))), { code: 'BUNDLE_INCOMPLETE' });
  const lacking = await collect(writeBundle({ ...about, packages: [] }, entries.slice(0, -1)));
  equal(await outcome(lacking), 'opened');
  const [last] = entries.slice(-1);
  ok(last && !(last.source instanceof Uint8Array));
  await rejects(collect(writeBundle(about, [...entries.slice(0, -1), { ...last, source: { ...last.source, lengthBytes: 5 } }])), {
    code: 'BUNDLE_INCOMPLETE',
  });
});

test('a bundle with files that do not belong in it, or too many, is refused', async () => {
  const raw = (files: [string, Buffer][]) =>
    Buffer.concat([
      ...files.flatMap(([path, data]) => [
        encodeTarHeader({ path, bytes: data.length, executable: false }),
        data,
        Buffer.alloc(tarPadding(data.length)),
      ]),
      TAR_END,
    ]);
  const json = Buffer.from(JSON.stringify({ ...about, packages: [] }));
  equal(await outcome(raw([['bundle.json', json]])), 'opened');
  equal(await outcome(raw([['metadata/root.json', Buffer.alloc(3)]])), 'BUNDLE_MALFORMED');
  equal(await outcome(raw([['bundle.json', Buffer.from('{}')]])), 'BUNDLE_MALFORMED');
  equal(
    await outcome(
      raw([
        ['bundle.json', json],
        ['etc/passwd', Buffer.alloc(3)],
      ]),
    ),
    'BUNDLE_MALFORMED',
  );
  equal(
    await outcome(
      raw([
        ['bundle.json', json],
        ['metadata/a/b.json', Buffer.alloc(3)],
      ]),
    ),
    'BUNDLE_MALFORMED',
  );
  equal(
    await outcome(
      raw([
        ['bundle.json', json],
        ['metadata/b.json', Buffer.alloc(3)],
        ['metadata/b.json', Buffer.alloc(3)],
      ]),
    ),
    'BUNDLE_MALFORMED',
  );
  equal(
    await outcome(
      raw([
        ['bundle.json', json],
        ['metadata/big.json', Buffer.alloc(5_000_001)],
      ]),
    ),
    'BUNDLE_MALFORMED',
  );
  const many = Array.from({ length: 1001 }, (_, index): [string, Buffer] => [`targets/${10_000 + index}`, Buffer.alloc(0)]);
  equal(await outcome(raw([['bundle.json', json], ...many])), 'BUNDLE_MALFORMED');
});

test('a sparse file that claims gigabytes is indexed without reading them', async () => {
  const path = await file(Buffer.alloc(0));
  const json = Buffer.from(JSON.stringify({ ...about, packages: [] }));
  const handle = await open(path, 'r+');
  const bytes = 5_000_000_000;
  const head = Buffer.concat([
    encodeTarHeader({ path: 'bundle.json', bytes: json.length, executable: false }),
    json,
    Buffer.alloc(tarPadding(json.length)),
    encodeTarHeader({ path: 'targets/big', bytes, executable: false }),
  ]);
  await handle.write(head, 0, head.length, 0);
  await handle.truncate(head.length + bytes + tarPadding(bytes) + TAR_END.length);
  await handle.close();
  const bundle = await BundleMirror.open(path);
  equal((await collect(bundle.target('big', bytes - 10))).length, 10);
  await bundle.close();
  ok((await stat(path)).blocks * 512 < 1_000_000);
});

test('property: a byte changed anywhere is noticed, or changes nothing that is installed', async () => {
  let noticed = 0;
  const use = async (bytes: Buffer): Promise<Buffer> => {
    const bundle = await BundleMirror.open(await file(bytes));
    try {
      const directory = join(folder, `changed-${++count}`);
      const client = await UpdateClient.open({ directory, now: Date.now, log: createLog('test', 'silent') });
      await client.confirmTrust(root);
      await client.refresh(bundle);
      return await readFile(await client.obtain(site, bundle));
    } finally {
      await bundle.close();
    }
  };
  const root = (await repository.author.metadataFile('1.root.json')) ?? Buffer.alloc(0);
  await fc.assert(
    fc.asyncProperty(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
      const changed = Buffer.from(good);
      changed[at] = (changed[at] ?? 0) ^ mask;
      try {
        ok((await use(changed)).equals(CONTENT));
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        noticed++;
      }
    }),
    { numRuns: 40, endOnFailure: true },
  );
  ok(noticed > 20, `${noticed} of 40`);
});

test('property: arbitrary bytes never come out as anything but a BUNDLE error', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), async (bytes) => {
      ok(['BUNDLE_MALFORMED', 'BUNDLE_INCOMPLETE'].includes(await outcome(bytes)));
    }),
    { numRuns: 100, endOnFailure: true },
  );
});
