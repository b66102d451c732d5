import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { defineAuditEvent, exportAudit, type AuditEvent } from '@bascule/store/audit.ts';
import { mergeAudit } from '@bascule/store/history-union.ts';
import { SiteIdentity } from '../../apps/site/src/jump/site-identity.ts';
import { copyEntries, openTestStore, testContext } from '@bascule/store/testing.ts';

const VERIFY = fileURLToPath(new URL('./verify.mjs', import.meta.url));
const FLIPS = 60;
const AT_ONCE = 4;
const directory = mkdtempSync(join(tmpdir(), 'bascule-verify-'));
after(() => rmSync(directory, { recursive: true, force: true }));
let files = 0;

async function verify(content: Uint8Array | string, ...more: string[]): Promise<{ code: number; said: string }> {
  const file = join(directory, `file-${(files += 1)}`);
  writeFileSync(file, content);
  return run(file, ...more);
}

async function run(...words: string[]): Promise<{ code: number; said: string }> {
  const child = spawn(process.execPath, [VERIFY, ...words]);
  const [code, out, error] = await Promise.all([
    new Promise<number>((resolve) => child.once('close', resolve)),
    text(child.stdout),
    text(child.stderr),
  ]);
  return { code, said: out + error };
}

// A writer of its own, from the text of wire 6: not the product's.
type Frame = [type: number, body: Buffer];
const json = (value: unknown) => Buffer.from(JSON.stringify(value));
function output(offset: number, bytes: string): Frame {
  const head = Buffer.alloc(16);
  head.writeBigUInt64BE(BigInt(offset), 0);
  return [2, Buffer.concat([head, Buffer.from(bytes)])];
}
function recording(frames: Frame[]): { bytes: Buffer; head: string } {
  let hash: Buffer = Buffer.alloc(32);
  const parts: Buffer[] = [Buffer.from('BASCREC1')];
  for (const [type, body] of frames) {
    const head = Buffer.alloc(5);
    head.writeUInt32BE(body.length + 1);
    head.writeUInt8(type, 4);
    hash = createHash('sha256').update(hash).update(head).update(body).digest();
    parts.push(head, body, hash);
  }
  return { bytes: Buffer.concat(parts), head: hash.toString('hex') };
}
const header: Frame = [
  1,
  json({
    format: 'bascule-recording/1',
    session: 'acs_x',
    startedAtMs: 1_700_000_000_000,
    appliance: 'box',
    user: { name: 'Ada\u001b[31m' },
    fromAddress: '192.0.2.1',
    jumpItem: { name: 'web', hostName: 'web1', runsAs: 'root' },
    program: 'shell',
  }),
];
const resumed: Frame = [3, json({ atMs: 1, reason: 'restart' })];
const end = (outBytes: number): Frame => [
  4,
  json({ reason: 'ended-by-user', exitCode: 0, endedAtMs: 1_700_000_060_000, outBytes }),
];
const good: Frame[] = [header, output(0, 'hello'), resumed, output(5, ' world'), end(11)];

const happened = defineAuditEvent('VERIFY_HAPPENED', 'It happened {number}');
function auditLines(count: number): string[] {
  using opened = openTestStore([]);
  for (let number = 1; number <= count; number += 1)
    opened.store.transact(testContext, happened({ number, odd: '"\\ü\ud800' }), () => undefined);
  return [...exportAudit(opened.store)];
}

test('a whole recording: summary, head, comparison (wire 6)', async () => {
  const { bytes, head } = recording(good);
  const { code, said } = await verify(bytes, '--head', head);
  assert.equal(code, 0, said);
  assert.match(said, /whole[^]*Ada[^]*192\.0\.2\.1[^]*web1[^]*2023-11-14T22:13:20[^]*11 bytes/);
  assert.ok(said.includes(head) && !said.includes('\u001b'));
  assert.equal((await verify(bytes, `--head=${'0'.repeat(64)}`)).code, 1);
});

const gap = (from: number, to: number): Frame => [5, json({ from, to, atMs: 1_700_000_030_000, reason: 'a failover' })];
test('a recording that names what is missing of it is whole, and the gap is shown (wire 6.9)', async () => {
  const endBehindGap: Frame = [4, json({ reason: 'ended-by-user', exitCode: 0, endedAtMs: 1, outBytes: 12, gapBytes: 4 })];
  const { code, said } = await verify(recording([header, output(0, 'hello'), gap(5, 9), output(9, 'you'), endBehindGap]).bytes);
  assert.equal(code, 0, said);
  assert.match(said, /8 bytes of output[^]*MISSING: +4 bytes of output behind 5 .*a failover/);
});

const broken: Record<string, [Frame[], RegExp]> = {
  'a gap that does not begin where output ends': [[header, output(0, 'hello'), gap(4, 9), end(9)], /frame 3 .*a gap from 4/],
  'a gap that its end does not count': [[header, gap(0, 9), end(9)], /frame 3 .*9/],
  'a gap': [[header, output(0, 'hello'), output(6, 'x'), end(6)], /frame 3 .*offset is 6, expected 5/],
  'a repeat': [[header, output(0, 'hello'), output(0, 'hello'), end(10)], /frame 3 .*offset/],
  'a second header': [[header, header, end(0)], /frame 2 .*header/],
  'no header': [[output(0, 'x'), end(1)], /frame 1 .*header/],
  'a wrong count at the end': [[header, output(0, 'x'), end(2)], /frame 3 .*2 bytes/],
  'something after the end': [[header, end(0), resumed], /frame 3 .*follows the end/],
  'an unknown frame': [[header, [9, Buffer.alloc(1)], end(0)], /frame 2 .*unknown/],
  'a header that is not JSON': [[[1, Buffer.from('{')], end(0)], /frame 1/],
  'another format': [[[1, json({ format: 'x' })], end(0)], /frame 1 .*format/],
};
for (const [name, [frames, expected]] of Object.entries(broken)) {
  test(`a recording with ${name} is broken, and the frame is named (wire 6)`, async () => {
    const { code, said } = await verify(recording(frames).bytes);
    assert.equal(code, 1, said);
    assert.match(said, expected);
  });
}

test('a recording with frames taken out or exchanged is broken', async () => {
  const { bytes } = recording(good);
  const ends = [8];
  for (const [, body] of good) ends.push(ends.at(-1)! + 5 + body.length + 32);
  const part = (index: number) => bytes.subarray(ends[index], ends[index + 1]);
  const magic = bytes.subarray(0, 8);
  assert.equal((await verify(Buffer.concat([magic, part(0), part(1), part(3), part(4)]))).code, 1);
  assert.equal((await verify(Buffer.concat([magic, part(0), part(2), part(1), part(3), part(4)]))).code, 1);
});

test('a cut recording is incomplete, whole up to the last whole frame (wire 6.5)', async () => {
  const { bytes } = recording(good);
  const upToTwo = recording(good.slice(0, 2)).bytes.length;
  for (const cut of [upToTwo, upToTwo + 3, upToTwo + 20]) {
    const { code, said } = await verify(bytes.subarray(0, cut));
    assert.equal(code, 2, said);
    assert.match(said, new RegExp(`incomplete, whole up to byte ${upToTwo}, 2 frames`));
  }
  assert.equal((await verify(bytes.subarray(0, 4))).code, 2);
});

test('a whole audit export, and a long one', async () => {
  const lines = auditLines(300);
  const { code, said } = await verify(lines.join(''));
  assert.equal(code, 0, said);
  assert.match(said, /300 audit events in 1 chain[^]*It happened 300/);
  assert.equal((await verify(auditLines(0).join(''))).code, 0);
});

test('an audit export with a line changed, taken out, doubled, exchanged, respelt or cut off is not whole', async () => {
  const lines = auditLines(6);
  const changed = (edit: (copy: string[]) => void) => {
    const copy = [...lines];
    edit(copy);
    return verify(copy.join(''));
  };
  const cases: [code: number, expected: RegExp, (copy: string[]) => void][] = [
    [1, /line 4 .*hash/, (copy) => (copy[3] = copy[3]!.replace('happened 3', 'happened 4'))],
    [1, /line 4.*event 4 follows event 2/, (copy) => copy.splice(3, 1)],
    [1, /line 5/, (copy) => copy.splice(3, 0, copy[3]!)],
    [1, /line 3/, (copy) => copy.splice(2, 2, copy[3]!, copy[2]!)],
    [1, /line 3.*as it was written/, (copy) => (copy[2] = copy[2]!.replace(',', ', '))],
    [1, /line 8/, (copy) => (copy[7] = copy[7]!.replace('"events":6', '"events":7'))],
    [1, /line 2/, (copy) => copy.splice(1, 1)],
    [1, /line 9/, (copy) => copy.push('{}\n')],
    [2, /incomplete.*6 events/, (copy) => copy.pop()],
    [2, /incomplete/, (copy) => (copy[7] = copy[7]!.slice(0, -5))],
  ];
  for (const [code, expected, edit] of cases) {
    const result = await changed(edit);
    assert.equal(result.code, code, result.said);
    assert.match(result.said, expected);
  }
});

// The product's own writer and identity; two heads within, one before and one after all events.
async function signedExport(): Promise<{ lines: string[]; identity: string; other: string }> {
  using opened = openTestStore([]);
  const keysDir = join(directory, `keys-${(files += 1)}`);
  const identity = await SiteIdentity.open({ keysDir });
  const sign = () => opened.store.signHead((bytes) => identity.sign(bytes));
  const add = (number: number) => opened.store.transact(testContext, happened({ number, odd: '' }), () => undefined);
  sign();
  add(1);
  add(2);
  sign();
  sign();
  add(3);
  sign();
  add(4);
  const other = join(directory, `keys-${(files += 1)}`);
  await SiteIdentity.open({ keysDir: other });
  return {
    lines: [...exportAudit(opened.store, identity.certificatePem)],
    identity: join(keysDir, 'identity.crt'),
    other: join(other, 'identity.crt'),
  };
}

test('the signed heads of an audit export are checked, with the identity that it names or with one that is given (audit-export 4)', async () => {
  const { lines, identity, other } = await signedExport();
  const kinds = lines.map((line) => Object.keys(JSON.parse(line) as object)[0]);
  assert.deepEqual(kinds, ['format', 'identity', 'head', 'id', 'id', 'head', 'head', 'id', 'head', 'id', 'end']);
  const named = await verify(lines.join(''));
  assert.equal(named.code, 0, named.said);
  assert.match(named.said, /4 head\(s\)[^]*1 event\(s\) after[^]*[0-9a-f]{64} \(as the file itself says/);
  const given = await verify(lines.join(''), '--identity', identity);
  assert.equal(given.code, 0, given.said);
  assert.match(given.said, /as given/);
  assert.match((await verify(lines.join(''), `--identity=${other}`)).said, /BROKEN at line 3: the signature/);
  const unsigned = await verify(auditLines(2).join(''), '--identity', identity);
  assert.match(unsigned.said, /BROKEN.*no signed head/);
  const unnamed = reseal(lines.filter((line) => !line.startsWith('{"identity"')));
  assert.match((await verify(unnamed)).said, /whole[^]*SIGNATURES NOT CHECKED/);
  assert.equal((await verify(unnamed, '--identity', identity)).code, 0);
  for (const [content, file] of [
    [recording(good).bytes, identity],
    [lines.join(''), join(directory, 'missing')],
    [lines.join(''), VERIFY],
  ] as const)
    assert.equal((await verify(content, '--identity', file)).code, 64);
});

test('heads that a former identity has signed still count: the one after it vouches for it, and nobody else can (audit-export 2.6)', async () => {
  using opened = openTestStore([]);
  const keysDir = join(directory, `keys-${(files += 1)}`);
  const identity = await SiteIdentity.open({ keysDir });
  const first = join(directory, 'first.crt');
  writeFileSync(first, identity.certificatePem);
  const act = (number: number) => {
    opened.store.transact(testContext, happened({ number, odd: '' }), () => undefined);
    opened.store.signHead((bytes) => identity.sign(bytes));
  };
  act(1);
  await identity.rotate();
  act(2);
  await identity.rotate();
  act(3);
  const lines = [...exportAudit(opened.store, identity.certificatePem, identity.former)];
  const whole = await verify(lines.join(''));
  assert.equal(whole.code, 0, whole.said);
  assert.match(whole.said, /3 head\(s\)[^]*as the file itself says[^]*before it:[^]*before it:/);
  assert.equal((await verify(lines.join(''), '--identity', join(keysDir, 'identity.crt'))).code, 0);
  assert.match((await verify(lines.join(''), '--identity', first)).said, /BROKEN.*the signature of this head/);
  const stranger = await SiteIdentity.open({ keysDir: join(directory, `keys-${(files += 1)}`) });
  const forged = lines.map((line, index) =>
    index === 2
      ? `${JSON.stringify({ former: { ...(JSON.parse(line) as { former: object }).former, certificate: stranger.certificatePem } })}\n`
      : line,
  );
  assert.match((await verify(reseal(forged))).said, /BROKEN at line 3: the identity after this one did not sign/);
  assert.match((await verify(reseal(lines.filter((_, index) => index !== 3)))).said, /BROKEN.*the signature of this head/);
});

test('a history that was written anew, or a signature changed, does not pass the signed heads', async () => {
  const { lines } = await signedExport();
  const flip = (line: string) => {
    const { head } = JSON.parse(line) as { head: { statement: string; signature: string } };
    const signature = Buffer.from(head.signature, 'base64');
    signature[signature.length - 1]! ^= 1;
    return `${JSON.stringify({ head: { ...head, signature: signature.toString('base64') } })}\n`;
  };
  const at = (index: number, line: string) => lines.map((old, number) => (number === index ? line : old));
  assert.match((await verify(reseal(at(5, flip(lines[5]!))))).said, /BROKEN at line 6: the signature/);
  assert.match(
    (await verify(reseal(at(5, lines[5]!.replace('epoch\\":1', 'epoch\\":2'))))).said,
    /BROKEN at line 6: the signature/,
  );
  assert.match((await verify(reseal(at(5, lines[8]!)))).said, /BROKEN at line 6: a signed head says/);
  assert.match((await verify(reseal(at(1, '{"identity":"none"}\n')))).said, /BROKEN at line 2: the identity/);

  // Event 2 with another text, and everything after it hashed again: the chain is whole, the signature speaks.
  let previousHash = '';
  const rewritten = lines.map((line) => {
    const event = JSON.parse(line) as Record<string, unknown>;
    if (!('sequence' in event)) return line;
    const { hash, ...rest } = event;
    if (event['sequence'] === 2) rest['summary'] = 'Nothing happened';
    if (previousHash !== '') rest['previousHash'] = previousHash;
    previousHash = event['sequence'] === 1 ? String(hash) : hashOf(rest);
    return `${JSON.stringify({ ...rest, hash: previousHash })}\n`;
  });
  const said = (await verify(reseal(rewritten))).said;
  assert.match(said, /BROKEN at line 6: a signed head says that event 2 is another/);
  const withoutHeads = rewritten.filter((line) => !line.startsWith('{"head"'));
  assert.match((await verify(reseal(withoutHeads))).said, /whole[^]*no signed head/);
});

/** audit-export 3.2, written from the text. */
function hashOf({ previousHash, ...rest }: Record<string, unknown>): string {
  return createHash('sha256')
    .update(JSON.stringify(['bascule-audit/1', previousHash, ...Object.values(rest)]))
    .digest('hex');
}

/** The lines with an end line that fits them. */
function reseal(lines: string[]): string {
  const content = lines.slice(0, -1).join('');
  const events = lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter((value) => 'sequence' in value);
  const sha256 = createHash('sha256').update(content).digest('hex');
  return `${content}${JSON.stringify({ end: { events: events.length, head: events.at(-1)?.['hash'], sha256 } })}\n`;
}

test('two histories after a forced double primary stay readable side by side, and it is said which one was discarded (audit-export 5)', async () => {
  using one = openTestStore([], { appliance: 'north' });
  using two = openTestStore([], { appliance: 'south', follower: true });
  const add = (store: typeof one.store, number: number) =>
    store.transact(testContext, happened({ number, odd: '' }), () => undefined);
  for (const number of [1, 2, 3]) add(one.store, number);
  copyEntries(one.store, two.store);
  two.store.promote(testContext, happened({ number: 4, odd: '' }), 2);
  const swapped = await verify([...exportAudit(two.store)].join(''));
  assert.equal(swapped.code, 0, swapped.said);
  assert.doesNotMatch(swapped.said, /parted|discarded/, 'a change of roles is no parting');
  for (const number of [5, 6]) add(one.store, number);
  one.store.signHead(() => Uint8Array.of(1));
  for (const number of [5, 6, 7, 8]) add(two.store, number);
  const { branches } = await mergeAudit(two.store, testContext, one.store);
  const { code, said } = await verify([...exportAudit(two.store)].join(''));
  assert.equal(code, 0, said);
  assert.match(said, /in 2 chain\(s\)/);
  assert.match(said, /parted: +before event 4: north \(epoch 1\) and south \(epoch 2\) both go on from one event\n/);
  assert.match(said, /discarded: +north \(epoch 1\), events 4 to 5/);
  // Who says that another history was discarded than the one that is there is not believed.
  const claim: AuditEvent = {
    code: 'AUDIT_BRANCH_MERGED',
    summary: 'x',
    details: { ...branches[0], head: 'a'.repeat(64) },
  };
  two.store.transact(testContext, claim, () => undefined);
  const other = await verify([...exportAudit(two.store)].join(''));
  assert.equal(other.code, 1);
  assert.match(other.said, /discarded history that it tells of is another/);
});

test('any single bit flipped anywhere is noticed, in either format', async (t) => {
  const seed = Number(process.env['BASCULE_TEST_SEED'] ?? Date.now() % 1_000_000);
  t.diagnostic(`BASCULE_TEST_SEED=${seed}`);
  let state = seed;
  const random = (below: number) => Math.floor(((state = (state * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31) * below);
  const originals = [recording(good).bytes, Buffer.from((await signedExport()).lines.join(''))];
  const flips = Array.from({ length: FLIPS }, (_, index) => {
    const bytes = Buffer.from(originals[index % originals.length]!);
    const position = random(bytes.length);
    bytes[position]! ^= 1 << random(8);
    return { bytes, position, format: index % originals.length };
  });
  const one = async () => {
    for (let flip = flips.pop(); flip; flip = flips.pop()) {
      const { code, said } = await verify(flip.bytes);
      assert.ok(code === 1 || code === 2, `format ${flip.format}, byte ${flip.position}: ${said}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
});

test('wrong use and unreadable files give 64 and one sentence; other files are broken', async () => {
  for (const words of [
    [],
    ['a', 'b'],
    ['--what', 'a'],
    ['a', '--head', 'short'],
    ['a', '--head'],
    [join(directory, 'missing')],
    [directory],
  ]) {
    const { code, said } = await run(...words);
    assert.equal(code, 64, said);
    assert.ok(!said.includes('    at '), said);
  }
  assert.equal((await verify('something else altogether')).code, 1);
});
