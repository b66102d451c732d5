import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { readTarHeader, tarPadding } from '@bascule/package-format/tar-format.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import { openTestStore, testContext } from '@bascule/store/testing.ts';
import { zstdDecompressSync } from 'node:zlib';
import { bundleContents, bundleStream, type BundleSources } from './bundle.ts';
import { only, redacted, STRING_MAX_CHARACTERS } from './redact.ts';

const noted = defineAuditEvent<{ what: string }>('BUNDLE_TEST_NOTED', 'Noted {what}');

/** Secrets of every kind, each as somebody might let it slip. */
function planted() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' });
  const ticket = `aB3${randomBytes(32).toString('base64url')}`;
  const bearer = `aB3${randomBytes(24).toString('base64url')}`;
  const age = `AGE-SECRET-KEY-1${'QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L'.repeat(2).slice(0, 58)}`;
  const lines = [
    JSON.stringify({ event: 'x', password: 'Hunter2-eins', nested: { deep: { clientSecret: 'Hunter2-zwei' } } }),
    JSON.stringify({ event: 'x', body: JSON.stringify({ password: 'Hunter2-drei', 'quo"ted': 1 }) }),
    JSON.stringify({ event: 'x', err: { message: `bad key ${pem} in file` } }),
    pem,
    `GET /login?token=Hunter2-vier&x=1 Authorization: Bearer ${bearer}`,
    'Cookie: __Host-bascule-box=Hunter2-fuenf; other=1',
    'Set-Cookie: session=Hunter2-sechs; Path=/',
    'smtp://ada:Hunter2-sieben@mail.example.org failed',
    `ticket ${ticket} was refused`,
    `identity ${age}`,
    'passphrase: Hunter2-acht',
    "psk = 'Hunter2-neun' and api_key=Hunter2-zehn",
  ];
  const needles = [
    'Hunter2',
    ticket,
    bearer,
    age,
    age.slice(20, 50),
    ...String(pem)
      .split('\n')
      .filter((line) => !line.startsWith('---') && line !== ''),
  ];
  return { lines, needles };
}

async function unpacked(archive: Buffer): Promise<Map<string, string>> {
  const tar = zstdDecompressSync(archive);
  let offset = 0;
  const read = (bytes: number) => Promise.resolve(tar.subarray(offset, (offset += bytes)));
  const files = new Map<string, string>();
  for (;;) {
    const entry = await readTarHeader(read, undefined);
    if (entry === undefined) return files;
    files.set(entry.path, (await read(entry.bytes)).toString('utf8'));
    await read(tarPadding(entry.bytes));
  }
}

test('the support bundle holds what helps, and none of the secrets that were planted everywhere', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'bascule-bundle-'));
  using opened = openTestStore([]);
  try {
    const { lines, needles } = planted();
    mkdirSync(join(directory, 'log'));
    writeFileSync(
      join(directory, 'log', 'appliance.log'),
      [...lines, JSON.stringify({ event: 'appliance.fine' }), ''].join('\n'),
    );
    for (const what of lines) opened.store.transact(testContext, noted({ what }), () => undefined);
    const mail = { host: 'mail.example.org', password: 'Hunter2-elf', account: 'ada' };
    const sources: BundleSources = {
      store: opened.store,
      logDirectory: join(directory, 'log'),
      versions: () => ({ base: '0.4.0' }),
      facts: {
        health: () => ({ lines }),
        broken: () => {
          throw new Error('no answer: password=Hunter2-zwoelf');
        },
      },
      configuration: { mail: () => only(mail, 'host', 'account') },
      installations: () => [{ id: 'ins_1' }],
      installationLog: () => lines.join('\n'),
    };
    const archive = await buffer(await bundleStream(sources, 'bascule-support'));
    const files = await unpacked(archive);
    for (const [name, text] of files)
      for (const needle of needles) assert.ok(!text.includes(needle), `${name} holds ${needle.slice(0, 12)}…: ${text}`);
    const listed = (await bundleContents(sources)).members.map(({ name }) => `bascule-support/${name}`);
    assert.deepEqual([...files.keys()], listed, 'what is shown before is what is inside');
    assert.match(files.get('bascule-support/configuration.json') ?? '', /mail\.example\.org[\s\S]*ada/);
    assert.match(files.get('bascule-support/appliance.log') ?? '', /appliance\.fine/);
    assert.match(files.get('bascule-support/audit.jsonl') ?? '', /BUNDLE_TEST_NOTED/);
    writeFileSync(join(directory, 'b.tar.zst'), archive);
    const stock = execFileSync('tar', ['--zstd', '-tf', 'b.tar.zst'], { cwd: directory, encoding: 'utf8' });
    assert.deepEqual(stock.trim().split('\n'), listed, 'stock tar opens it');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test('what helps stays: hashes, ids, names, addresses, and the shape of JSON', async () => {
  const hash = createHash('sha256').update('x').digest('hex');
  const line = JSON.stringify({
    level: 30,
    event: 'software.installed',
    id: 'ins_01920c5e-aaaa-7bbb-8ccc-123456789abc',
    sha256: hash,
    path: '/var/lib/bascule/software/base/0.4.0-12345678',
    n: 7,
  });
  assert.equal(await redacted(line), line);
  const secret = JSON.parse(await redacted(JSON.stringify({ password: 'a"b\\', other: 'kept', token: '' }))) as Record<
    string,
    string
  >;
  assert.deepEqual(secret, { password: '[secret]', other: 'kept', token: '[secret]' });
});

test('a long line or string is cut, and base serves others while much is looked through', async () => {
  const LINES = 40;
  const hostile = ['a-', '\\\\', '__Host-', 'token=', '"'].map((piece) => piece.repeat(60_000 / piece.length));
  const text = Array.from({ length: LINES }, (_, at) =>
    at % 2 === 0 ? (hostile[at % hostile.length] ?? '') : JSON.stringify({ text: hostile[at % hostile.length] }),
  );
  let turns = 0;
  let isDone = false;
  const count = (): void => {
    turns += 1;
    if (!isDone) setImmediate(count);
  };
  setImmediate(count);
  const clean = await redacted(text.join('\n'));
  isDone = true;
  assert.ok(turns >= LINES / 4, `${turns} turns for others`);
  const lines = clean.split('\n');
  assert.equal(lines.length, LINES);
  // JSON writes one character as two.
  for (const line of lines) assert.ok(line.length < 2 * STRING_MAX_CHARACTERS + 100, `${line.length} characters`);
  assert.match(lines[0] ?? '', / \[\d+ more characters\]$/);
});

test('a name is known by its end, whatever stands before it', async () => {
  const long = 'a-'.repeat(100);
  for (const name of ['password', 'X-Api-Key', 'db_password', '--token', 'token-secret', `${long}psk`, `${long}_secret`])
    assert.equal(await redacted(`${name}=Hunter2 and ${name}: Hunter2`), `${name}=[secret] and ${name}: [secret]`);
  assert.equal(await redacted('monkey=banana'), 'monkey=banana');
});
