import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { asciicastLines } from '@bascule/recording/asciicast.ts';
import { readFacts } from '@bascule/recording/reader.ts';
import { encodeOutput, FrameType } from '@bascule/wire/frames.ts';
import { encodeExit, encodeRecord, OutputRecord } from '@bascule/wire/records.ts';
import { newPairKey, openWay, pairOrders } from './pair-testing.ts';
import { RawLink, TestRelay } from './test-relay.ts';
import { sha256, until } from './testing.ts';

const data = (text: string) => encodeRecord(OutputRecord.data, Buffer.from(text));

async function openPair(t: TestContext) {
  const source = await TestRelay.open();
  const follower = await TestRelay.open();
  const way = await openWay((socket, head) => source.relay.takePairLink(socket, head));
  const orders = pairOrders(await newPairKey('a'), await newPairKey('b'), way);
  t.after(async () => {
    way.close();
    await Promise.all([source.close(), follower.close()]);
  });
  source.relay.handle(orders.source);
  follower.relay.handle(orders.follower);
  source.openSession();
  await source.message('session-opened');
  return { source, follower, way, orders };
}

/** The first half is on both; the second only on the source, which told an old client to forget it. Then the follower takes over. */
async function withLostHalf(t: TestContext) {
  const pair = await openPair(t);
  const { source, follower, way } = pair;
  const agent = await RawLink.agent(source);
  await agent.frame(FrameType.welcome);
  const [first, second] = [data('on both, '), data('on one, ')];
  agent.send(encodeOutput(0, 1_000_000, first));
  const isCopied = () => existsSync(follower.file) && readFileSync(follower.file).includes('on both');
  await until(isCopied, 'the follower to have the first half');
  way.setOpen(false);
  agent.send(encodeOutput(first.length, 1_500_000, second));
  const end = first.length + second.length;
  await until(() => agent.frames.some((frame) => frame.type === FrameType.outputAck && frame.offset === end), 'told to forget');
  agent.socket.terminate();
  follower.relay.handle({ kind: 'pair', role: 'none' });
  follower.openSession(true);
  await follower.message('session-opened');
  return { ...pair, from: first.length, to: end };
}

test('what neither appliance nor client has is a gap: named, counted and shown, and the session goes on (wire 6.9)', async (t) => {
  const { follower, from, to } = await withLostHalf(t);
  const viewer = await RawLink.viewer(follower, { outFrom: to });
  await viewer.frame(FrameType.welcome);
  const third = data('behind the gap');
  const exit = encodeExit(0, 0);
  const agent = await RawLink.agent(follower, { outStart: to, outEnd: to + third.length });
  assert.deepEqual((await agent.frame(FrameType.welcome)) as unknown, { type: FrameType.welcome, json: { v: 1, outFrom: to } });
  const { reason: _reason, code } = await viewer.closing();
  assert.equal(code, 4006, 'whoever watches comes back for a fresh screen');
  agent.send(encodeOutput(to, 2_000_000, third));
  const again = await RawLink.viewer(follower, { outFrom: from });
  const screen = await again.frame(FrameType.screen);
  assert.ok(screen.type === FrameType.screen && screen.offset >= to && screen.text.includes('on both'));
  agent.send(encodeOutput(to + third.length, 2_000_001, exit));
  const ended = await follower.message('session-ended');
  assert.deepEqual([ended.outBytes, ended.gapBytes], [to + third.length + exit.length, to - from]);
  const facts = await readFacts(follower.file);
  assert.deepEqual(
    facts?.gaps.map((gap) => [gap.from, gap.to]),
    [[from, to]],
  );
  assert.equal(facts?.end?.gapBytes, to - from);
  const gap = await follower.message('gap');
  assert.deepEqual([gap.from, gap.to], [from, to]);
  const lines: string[] = [];
  for await (const line of asciicastLines(follower.file)) lines.push(line);
  const text = lines.join('');
  assert.match(text, /on both, .*13 bytes are missing here.*behind the gap/s);
});

test('after the gap the recording goes on over a restart of the relay', async (t) => {
  const { follower, to } = await withLostHalf(t);
  const agent = await RawLink.agent(follower, { outStart: to, outEnd: to });
  await agent.frame(FrameType.welcome);
  const third = data('third');
  agent.send(encodeOutput(to, 2_000_000, third));
  await until(() => agent.frames.some((frame) => frame.type === FrameType.outputAck), 'the third part on disk');
  await follower.relay.stop();
  const again = await TestRelay.open({ directory: follower.directory });
  again.openSession(true);
  assert.equal((await again.message('session-opened')).recordedBytes, to + third.length);
  await again.close();
});

test('a session whose recording had not come yet is recorded from what its client has', async (t) => {
  const { follower, way, source } = await openPair(t);
  way.setOpen(false);
  const output = data('from the beginning');
  const agent = await RawLink.agent(source, { keeps: true });
  await agent.frame(FrameType.welcome);
  agent.send(encodeOutput(0, 1, output));
  await until(() => agent.frames.some((frame) => frame.type === FrameType.outputStored), 'stored on one');
  rmSync(follower.file, { force: true });
  follower.relay.handle({ kind: 'pair', role: 'none' });
  follower.openSession(true);
  await follower.message('session-opened');
  const resumed = await RawLink.agent(follower, { keeps: true, outStart: 0, outEnd: output.length });
  const welcome = await resumed.frame(FrameType.welcome);
  assert.deepEqual(welcome, { type: FrameType.welcome, json: { v: 1, outFrom: 0 } });
});

test('without a take-over nothing of that is allowed: a missing recording, or a client that has less', async (t) => {
  const single = await TestRelay.open();
  t.after(() => single.close());
  single.openSession(true);
  await single.message('session-open-failed');
  single.openSession();
  await single.message('session-opened');
  const agent = await RawLink.agent(single, { outStart: 10, outEnd: 20 });
  assert.equal((await agent.closing()).code, 4002);
});

test('a primary that becomes the follower lets go: its clients come back elsewhere, and its own tail is archived and copied anew', async (t) => {
  const { source, follower, way } = await openPair(t);
  const agent = await RawLink.agent(source, { keeps: true });
  await agent.frame(FrameType.welcome);
  const [first, second] = [data('first'), data('only here')];
  agent.send(encodeOutput(0, 1, first));
  await until(() => agent.frames.some((frame) => frame.type === FrameType.outputAck), 'on both');
  way.setOpen(false);
  agent.send(encodeOutput(first.length, 1, second));
  await until(
    () => agent.frames.some((frame) => frame.type === FrameType.outputStored && frame.offset === first.length + second.length),
    'on one',
  );
  const back = await openWay((socket, head) => follower.relay.takePairLink(socket, head));
  t.after(() => back.close());
  const { source: asSource, follower: asFollower } = pairOrders(await newPairKey('b'), await newPairKey('a'), back);
  follower.relay.handle(asSource);
  follower.openSession(true);
  await follower.message('session-opened');
  source.relay.handle(asFollower);
  assert.equal((await agent.closing()).code, 4006);
  const resumed = await RawLink.agent(follower, { keeps: true, outStart: first.length, outEnd: first.length + second.length });
  const welcome = await resumed.frame(FrameType.welcome);
  assert.deepEqual(welcome, { type: FrameType.welcome, json: { v: 1, outFrom: first.length, keepFrom: first.length } });
  resumed.send(encodeOutput(first.length, 2, second));
  const end = first.length + second.length;
  await until(() => resumed.frames.some((frame) => frame.type === FrameType.outputAck && frame.offset === end), 'on both again');
  assert.equal(sha256(readFileSync(source.file)), sha256(readFileSync(follower.file)));
  assert.equal(source.relay.sessionCount, 0);
});
