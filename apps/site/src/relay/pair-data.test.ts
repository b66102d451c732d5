import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { newId } from '@bascule/core/ids.ts';
import { VIEWER_BEAT_MS, viewerBeat, viewerWelcome } from '@bascule/protocol/data-link.ts';
import type { FromRelay } from '@bascule/protocol/relay-control.ts';
import { readFacts } from '@bascule/recording/reader.ts';
import { RecordingWriter } from '@bascule/recording/writer.ts';
import { encodeOutput, FrameType, type Frame } from '@bascule/wire/frames.ts';
import { encodeRecord, OutputRecord } from '@bascule/wire/records.ts';
import { newPairKey, openWay, pairOrders } from './pair-testing.ts';
import { RawLink, TestRelay } from './test-relay.ts';
import { HEADER, seeded, sha256, until } from './testing.ts';

type PairCopy = Extract<FromRelay, { kind: 'pair-copy' }>;

/** Two relays of a pair; the follower is told to follow by the test. */
async function openPair(t: TestContext) {
  const source = await TestRelay.open();
  const follower = await TestRelay.open();
  const way = await openWay((socket, head) => source.relay.takePairLink(socket, head));
  const orders = pairOrders(await newPairKey('a'), await newPairKey('b'), way);
  source.relay.handle(orders.source);
  t.after(async () => {
    way.close();
    await Promise.all([source.close(), follower.close()]);
  });
  const copies = (relay: TestRelay) => relay.messages.filter((message): message is PairCopy => message.kind === 'pair-copy');
  return {
    source,
    follower,
    way,
    orders,
    follow: () => follower.relay.handle(orders.follower),
    /** What the relay last said of its copy. */
    last: (relay: TestRelay) => copies(relay).at(-1),
    whole: (sinceMs: number) =>
      until(() => copies(follower).some(({ completedAtMs }) => (completedAtMs ?? 0) >= sinceMs), 'everything to be copied'),
  };
}

function offsetsOf(agent: RawLink, type: FrameType): number[] {
  return agent.frames.flatMap((frame: Frame) => (frame.type === type && 'offset' in frame ? [frame.offset] : []));
}

/** Sends `rounds` records as an agent does; gives where the output ends. */
async function produce(agent: RawLink, from: number, rounds: number, random: () => number): Promise<number> {
  let offset = from;
  for (let round = 0; round < rounds; round++) {
    const record = encodeRecord(OutputRecord.data, Buffer.alloc(1 + Math.floor(random() * 6000), `${round} `));
    agent.send(encodeOutput(offset, Date.now() * 1000, record));
    offset += record.length;
    if (round % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return offset;
}

/** An ended recording with that much output. */
async function endedRecording(
  directory: string,
  name: string,
  bytes: number,
  header = { ...HEADER, session: newId('accessSession') },
): Promise<string> {
  const file = join(directory, name);
  const writer = await RecordingWriter.create(file, header, { checkGeneration: () => {} });
  for (let at = 0; at < bytes; at += 60_000) {
    const record = encodeRecord(OutputRecord.data, Buffer.alloc(Math.min(60_000, bytes - at), name));
    writer.append(writer.takenBytes, at * 20, record);
    if (at % 600_000 === 0) await writer.flush();
  }
  await writer.flush();
  await writer.finish({ reason: 'process-exited', exitCode: 0, endedAtMs: 1_790_000_001_000 });
  await writer.close();
  return file;
}

test('a growing recording is on the follower as it grows, byte for byte; a keeping client forgets when it is on both (wire 4.11)', async (t) => {
  const { source, follower, follow, way } = await openPair(t);
  const random = seeded(1);
  source.openSession();
  await source.message('session-opened');
  const agent = await RawLink.agent(source, { keeps: true });
  await agent.frame(FrameType.welcome);
  let end = await produce(agent, 0, 40, random);
  await until(() => offsetsOf(agent, FrameType.outputStored).at(-1) === end, 'all on one disk');
  assert.deepEqual(offsetsOf(agent, FrameType.outputAck), [], 'nothing is to be forgotten while nobody follows');
  follow();
  await until(() => offsetsOf(agent, FrameType.outputAck).at(-1) === end, 'all on both disks');
  end = await produce(agent, end, 100, random);
  way.setOpen(false);
  end = await produce(agent, end, 100, random);
  way.setOpen(true);
  await until(() => offsetsOf(agent, FrameType.outputAck).at(-1) === end, 'all on both disks again');
  assert.equal(sha256(readFileSync(follower.file)), sha256(readFileSync(source.file)));
  assert.ok(!existsSync(join(follower.directory, 'archive')), 'nothing had to be copied anew');
});

for (const role of ['follower', 'none'] as const)
  test(`a side that serves no more (${role}) acknowledges nothing that the other one has not got, and tells nobody of an end`, async (t) => {
    const { source, follow, way, orders } = await openPair(t);
    source.openSession();
    await source.message('session-opened');
    const agent = await RawLink.agent(source, { keeps: true });
    await agent.frame(FrameType.welcome);
    const random = seeded(7);
    follow();
    const onBoth = await produce(agent, 0, 20, random);
    await until(() => offsetsOf(agent, FrameType.outputAck).at(-1) === onBoth, 'all on both disks');
    way.setOpen(false);
    const onOne = await produce(agent, onBoth, 20, random);
    await until(() => offsetsOf(agent, FrameType.outputStored).at(-1) === onOne, 'all on one disk');
    const peer = { host: '127.0.0.1', port: way.port };
    source.relay.handle(role === 'none' ? { kind: 'pair', role, isServing: false } : { ...orders.source, role, peer });
    assert.equal((await agent.closing()).code, 4006);
    assert.equal(offsetsOf(agent, FrameType.outputAck).at(-1), onBoth);
    await until(() => source.relay.sessionCount === 0, 'the session is the other one’s');
    assert.ok(!source.messages.some(({ kind }) => kind === 'session-ended'));
    source.openSession(true);
    await source.message('session-open-failed');
  });

test('old clients: told when it is here in an asynchronous pair, on both in a synchronous one, and the mode may change meanwhile', async (t) => {
  const { source, follow, orders, last, way } = await openPair(t);
  const random = seeded(2);
  source.openSession();
  await source.message('session-opened');
  const agent = await RawLink.agent(source);
  await agent.frame(FrameType.welcome);
  let end = await produce(agent, 0, 10, random);
  await until(() => offsetsOf(agent, FrameType.outputAck).at(-1) === end, 'asynchronous: it is here');
  assert.deepEqual(offsetsOf(agent, FrameType.outputStored), []);
  await until(() => last(source)?.exposedBytes === end, 'what is only here is counted');
  source.relay.handle({ ...orders.source, mode: 'sync' });
  const before = end;
  end = await produce(agent, end, 10, random);
  await source.message('pair-copy', ({ recordingBytesLeft }) => recordingBytesLeft > end);
  assert.equal(offsetsOf(agent, FrameType.outputAck).at(-1), before, 'synchronous: nobody has it but this appliance');
  follow();
  await until(() => offsetsOf(agent, FrameType.outputAck).at(-1) === end, 'synchronous: on both');
  await until(() => last(source)?.exposedBytes === 0, 'nothing is exposed');
  way.setOpen(false);
  end = await produce(agent, end, 10, random);
  await source.message('pair-copy', ({ waits }) => waits === 'sync');
  source.relay.handle({ ...orders.source, mode: 'async' });
  await until(() => offsetsOf(agent, FrameType.outputAck).at(-1) === end, 'main says that the follower is behind');
});

test('the end of a session waits for a follower that is there: the client forgets everything then', async (t) => {
  const { source, follower, follow, orders } = await openPair(t);
  source.relay.handle({ ...orders.source, mode: 'sync' });
  source.openSession();
  await source.message('session-opened');
  const agent = await RawLink.agent(source, { keeps: true });
  await agent.frame(FrameType.welcome);
  await produce(agent, 0, 20, seeded(3));
  source.relay.handle({ kind: 'session-end', session: HEADER.session, reason: 'ended-by-user', graceMs: 0 });
  await until(() => source.relay.sessionCount === 1 && existsSync(source.file), 'the end');
  follow();
  const ended = await source.message('session-ended');
  const facts = await readFacts(follower.file);
  assert.deepEqual([facts?.headSha256, facts?.end?.reason], [ended.headSha256, 'ended-by-user']);
});

test('a relay that died behind the end of a session: the next one tells nobody before the follower of a synchronous pair has it', async (t) => {
  const { source, follower, follow, orders } = await openPair(t);
  await endedRecording(source.directory, 's.bsr', 5000, HEADER);
  source.relay.handle({ ...orders.source, mode: 'sync' });
  source.openSession(true);
  await source.message('session-opened');
  const agent = await RawLink.agent(source, { keeps: true, outEnd: 5000 });
  assert.equal((await agent.closing()).code, 4006, 'the client keeps what it has, and comes back');
  assert.ok(!source.messages.some(({ kind }) => kind === 'session-ended'));
  follow();
  const ended = await source.message('session-ended');
  const facts = await readFacts(follower.file);
  assert.deepEqual([facts?.headSha256, facts?.end?.reason], [ended.headSha256, 'process-exited']);
  const late = await RawLink.agent(source, { keeps: true, outEnd: 5000 });
  assert.equal((await late.closing()).code, 4003);
});

test('what is not live is fetched behind: resumed over cuts and restarts, verified, what differs is archived (I2, I5)', async (t) => {
  const { source, follower, follow, way, whole, orders } = await openPair(t);
  const names = Array.from({ length: 12 }, (_, index) => `2026/${index}.bsr`);
  mkdirSync(join(source.directory, '2026'));
  for (const [index, name] of names.entries()) await endedRecording(source.directory, name, 10 + index * 400_000);
  mkdirSync(join(source.directory, 'files', 'clients'), { recursive: true });
  writeFileSync(join(source.directory, 'files', 'clients', 'a.tar.zst'), Buffer.alloc(3_000_000, 'a'));
  writeFileSync(join(source.directory, 'files', 'b.bin'), 'the source has this');
  // The follower has one whole, one begun, one torn, and one that is another.
  mkdirSync(join(follower.directory, '2026'));
  const place = (name: string) => join(follower.directory, name);
  for (const index of [1, 2, 3]) writeFileSync(place(names[index]!), readFileSync(join(source.directory, names[index]!)));
  truncateSync(place(names[2]!), 300_007);
  truncateSync(place(names[3]!), 5);
  await endedRecording(follower.directory, names[4]!, 2_000_000);
  const other = readFileSync(place(names[4]!));
  mkdirSync(join(follower.directory, 'files'));
  writeFileSync(join(follower.directory, 'files', 'b.bin'), 'a former primary had this');
  const startedAtMs = Date.now();
  follow();
  for (let cut = 0; cut < 3; cut++) {
    await until(() => existsSync(place(names[11 - cut * 2]!)), 'a file to be begun');
    way.setOpen(false);
    way.setOpen(true);
  }
  await whole(startedAtMs);
  for (const name of names)
    assert.equal(sha256(readFileSync(place(name))), sha256(readFileSync(join(source.directory, name))), name);
  for (const name of ['files/clients/a.tar.zst', 'files/b.bin'])
    assert.equal(sha256(readFileSync(place(name))), sha256(readFileSync(join(source.directory, name))), name);
  const [stamp] = readdirSync(place('archive'));
  assert.deepEqual(readFileSync(place(`archive/${stamp}/recordings/${names[4]}`)), other, 'what differed is kept');
  assert.equal(readFileSync(place(`archive/${stamp}/files/b.bin`), 'utf8'), 'a former primary had this');
  // Said again, it looks at once; what is there is not fetched again.
  await endedRecording(source.directory, '2026/new.bsr', 100);
  const againAtMs = Date.now();
  follower.relay.handle({ ...orders.follower });
  await whole(againAtMs);
  assert.ok(existsSync(place('2026/new.bsr')));
});

test('recordings that the follower alone has come to the source when they are whole; what it has stays as it is (B136)', async (t) => {
  const { source, follower, follow, orders } = await openPair(t);
  const only = await endedRecording(follower.directory, 'only-there.bsr', 900_000);
  await endedRecording(source.directory, 'both.bsr', 1000);
  const both = readFileSync(join(source.directory, 'both.bsr'));
  await endedRecording(follower.directory, 'both.bsr', 2000);
  mkdirSync(join(follower.directory, 'files'));
  writeFileSync(join(follower.directory, 'files', 'x.bin'), 'files are the primary’s');
  const back = await openWay((socket, head) => follower.relay.takePairLink(socket, head));
  t.after(() => back.close());
  source.relay.handle({ ...orders.source, peer: { host: '127.0.0.1', port: back.port } });
  follow();
  const here = join(source.directory, 'only-there.bsr');
  await until(() => existsSync(here), 'the recording to come');
  assert.equal(sha256(readFileSync(here)), sha256(readFileSync(only)));
  // Its own is archived before the other is begun.
  const copied = join(follower.directory, 'both.bsr');
  await until(() => existsSync(copied) && readFileSync(copied).equals(both), 'the source’s to be copied');
  assert.ok(readFileSync(join(source.directory, 'both.bsr')).equals(both));
  assert.ok(!existsSync(join(source.directory, 'files', 'x.bin')));
});

test('two that both follow, as for a moment of a swap, leave each other’s recordings alone', async (t) => {
  const { source, follower, follow, orders } = await openPair(t);
  const name = 'one.bsr';
  await endedRecording(source.directory, name, 5000);
  await endedRecording(follower.directory, name, 9000);
  const kept = (side: TestRelay) => sha256(readFileSync(join(side.directory, name)));
  const before = [kept(source), kept(follower)];
  // Both dial the other, as they do when neither has been told of the change yet.
  let dialled = 0;
  const back = await openWay((socket, head) => {
    dialled++;
    follower.relay.takePairLink(socket, head);
  });
  t.after(() => back.close());
  source.relay.handle({ ...orders.source, role: 'follower', peer: { host: '127.0.0.1', port: back.port } });
  follow();
  await until(() => dialled >= 4, 'one of them to have asked the other again and again');
  assert.deepEqual([kept(source), kept(follower)], before);
  source.relay.handle(orders.source);
  // Archived first, it is away for a moment.
  await until(() => existsSync(join(follower.directory, name)) && kept(follower) === before[0], 'the source’s to be copied');
  assert.equal(kept(source), before[0]);
});

test('in a pair a viewer that wants it hears something each second, and nobody else does (wire 4.15)', async (t) => {
  const { source, orders } = await openPair(t);
  source.openSession();
  await source.message('session-opened');
  const beats = (viewer: RawLink) =>
    viewer.frames.filter((frame) => frame.type === FrameType.notice && viewerBeat.safeParse(frame.json).success).length;
  const older = await RawLink.viewer(source);
  await older.frame(FrameType.welcome);
  const viewer = await RawLink.viewer(source, { beats: true, origin: 'ab'.repeat(16) });
  const welcome = await viewer.frame(FrameType.welcome);
  assert.ok(welcome.type === FrameType.welcome && viewerWelcome.parse(welcome.json).beatMs === VIEWER_BEAT_MS);
  await until(() => beats(viewer) >= 2, 'two beats');
  assert.equal(beats(older), 0);
  source.relay.handle({ ...orders.source, role: 'none' });
  const alone = await RawLink.viewer(source, { beats: true, origin: 'cd'.repeat(16) });
  const other = await alone.frame(FrameType.welcome);
  assert.ok(other.type === FrameType.welcome && viewerWelcome.parse(other.json).beatMs === undefined);
});

test('a full disk of the follower stops copies, says why, and they go on when there is room; the source goes on (async)', async (t) => {
  const { source, follower, follow, last } = await openPair(t);
  follower.freeBytes = 10;
  source.openSession();
  await source.message('session-opened');
  follow();
  const agent = await RawLink.agent(source, { keeps: true });
  await agent.frame(FrameType.welcome);
  const end = await produce(agent, 0, 30, seeded(4));
  await until(() => offsetsOf(agent, FrameType.outputStored).at(-1) === end, 'the source to have all');
  await until(() => /room/.test(last(source)?.stopped ?? ''), 'the source to say why');
  assert.match(last(follower)?.stopped ?? '', /room/);
  follower.freeBytes = 1e12;
  await until(() => offsetsOf(agent, FrameType.outputAck).at(-1) === end, 'all on both disks');
  await until(() => last(source)?.stopped === undefined, 'nothing to stop it any more');
  assert.equal(sha256(readFileSync(follower.file)), sha256(readFileSync(source.file)));
});

test('a recording that is damaged at the source is copied as far as it is whole, and named; the others are copied', async (t) => {
  const { source, follower, follow, last, whole } = await openPair(t);
  const bad = await endedRecording(source.directory, 'bad.bsr', 1_000_000);
  await endedRecording(source.directory, 'good.bsr', 1000);
  const bytes = readFileSync(bad);
  bytes[700_000]! ^= 1;
  writeFileSync(bad, bytes);
  utimesSync(bad, new Date(), new Date());
  const startedAtMs = Date.now();
  follow();
  await whole(startedAtMs);
  await until(() => /bad\.bsr: the chain of hashes is broken/.test(last(follower)?.stopped ?? ''), 'the damage to be named');
  const copied = readFileSync(join(follower.directory, 'bad.bsr'));
  assert.ok(copied.length > 0 && copied.equals(bytes.subarray(0, copied.length)));
  assert.ok(existsSync(join(follower.directory, 'good.bsr')));
});

test('only the one peer is let in, and only the pinned source is believed', async (t) => {
  const { source, follower, follow, way } = await openPair(t);
  await endedRecording(source.directory, 'secret.bsr', 1000);
  const stranger = await newPairKey('stranger');
  const { follower: asPeer } = pairOrders({ ...stranger, sha256: stranger.sha256 }, stranger, way);
  const thief = await TestRelay.open();
  t.after(() => thief.close());
  thief.relay.handle(asPeer);
  follow();
  await until(() => existsSync(join(follower.directory, 'secret.bsr')), 'the peer to have it');
  assert.deepEqual(
    readdirSync(thief.directory).filter((name) => name.endsWith('.bsr')),
    [],
  );
});
