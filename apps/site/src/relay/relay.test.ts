import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { newId } from '@bascule/core/ids.ts';
import { readFacts } from '@bascule/recording/reader.ts';
import { encodeDrained, encodeInput, encodeInputAck, encodeOutput, encodeOutputAck, FrameType } from '@bascule/wire/frames.ts';
import { encodeExit, encodeRecord, encodeSize, OutputRecord } from '@bascule/wire/records.ts';
import { LINKS_PER_CLIENT_MAX } from './relay.ts';
import { VIEWER_WINDOW_BYTES } from './viewer-link.ts';
import { RawLink, TestRelay } from './test-relay.ts';
import { CLIENT, dataOf, LOGIN_SESSION, until } from './testing.ts';

const ORIGIN = 'ab'.repeat(16);
const data = (text: string) => encodeRecord(OutputRecord.data, Buffer.from(text));

async function withSession(
  options: Parameters<typeof TestRelay.open>[0],
  work: (host: TestRelay) => Promise<void>,
): Promise<void> {
  const host = await TestRelay.open(options);
  try {
    host.openSession();
    await host.message('session-opened');
    await work(host);
  } finally {
    await host.close();
  }
}

test('a gap in the output closes the link; repeats are dropped (wire 4.5)', () =>
  withSession({}, async (host) => {
    const first = await RawLink.agent(host, { outEnd: 100 });
    await first.frame(FrameType.welcome);
    first.send(encodeOutput(0, 1, data('abc')));
    first.send(encodeOutput(0, 1, data('abc')));
    first.send(encodeOutput(4, 1, Buffer.concat([data('abc').subarray(4), data('def')])));
    await until(() => first.frames.some((frame) => frame.type === FrameType.outputAck && frame.offset === 16), 'all on disk');
    first.send(encodeOutput(17, 1, data('x')));
    assert.deepEqual(await first.closing(), { code: 4002, reason: 'OUTPUT offset: 17 leaves a gap after 16' });
    assert.equal((await dataOf(host.file)).toString(), 'abcdef');
  }));

for (const [what, hello] of [
  ['holds less than is recorded', { outStart: 0, outEnd: 7 }],
  ['no longer holds what the recording lacks', { outStart: 9, outEnd: 20 }],
] as const)
  test(`an agent that ${what} ends the session with protocol-violation (wire 4.5)`, () =>
    withSession({}, async (host) => {
      const first = await RawLink.agent(host);
      await first.frame(FrameType.welcome);
      first.send(encodeOutput(0, 1, data('abc')));
      await first.frame(FrameType.outputAck);
      const liar = await RawLink.agent(host, hello);
      assert.equal((await liar.closing()).code, 4002);
      assert.equal((await first.closing()).code, 4004);
      assert.equal((await host.message('session-ended')).reason, 'protocol-violation');
    }));

test('unknown and too long records, and records behind EXIT, end the session (wire 5.2, 5.3)', async () => {
  for (const bad of [Buffer.from([9, 0, 0, 0, 1, 1]), Buffer.from([1, 0, 2, 0, 0]), Buffer.concat([encodeExit(0, 0), data('x')])])
    await withSession({}, async (host) => {
      const agent = await RawLink.agent(host);
      await agent.frame(FrameType.welcome);
      agent.send(encodeOutput(0, 1, data('good')));
      agent.send(encodeOutput(9, 1, bad));
      assert.equal((await host.message('session-ended')).reason, 'protocol-violation');
      assert.equal((await dataOf(host.file)).toString(), 'good');
    });
});

test('tickets: replayed, unknown, expired, of another client or kind are all refused alike (wire 4.9)', () =>
  withSession({}, async (host) => {
    const ticket = host.ticket('agent');
    const first = await RawLink.agent(host, { ticket });
    await first.frame(FrameType.welcome);
    const refused = [
      RawLink.agent(host, { ticket }),
      RawLink.agent(host, { ticket: 'x'.repeat(43) }),
      RawLink.agent(host, { ticket: host.ticket('agent', -1) }),
      RawLink.agent(host, { ticket: host.ticket('viewer') }),
      RawLink.agent(host, {}, newId('jumpClient')),
      RawLink.agent(host, { session: newId('accessSession') }),
      RawLink.viewer(host, { ticket: host.ticket('agent') }),
      RawLink.viewer(host, { ticket }),
    ];
    for (const link of await Promise.all(refused))
      assert.deepEqual(await link.closing(), { code: 4001, reason: 'the ticket is unknown, used or too old' });
    assert.equal(first.closed, undefined);
  }));

test('frames that are too long, no frames, or before HELLO close only their own link', () =>
  withSession({}, async (host) => {
    const good = await RawLink.agent(host);
    await good.frame(FrameType.welcome);
    const long = await RawLink.viewer(host);
    await long.frame(FrameType.welcome);
    long.send(new Uint8Array(300 * 1024));
    assert.equal((await long.closing()).code, 1009);
    const text = await RawLink.viewer(host);
    text.socket.send('hello');
    assert.equal((await text.closing()).code, 4002);
    const again = await RawLink.viewer(host, { origin: 'x' });
    assert.deepEqual(await again.closing(), { code: 4002, reason: 'HELLO origin: does not fit its schema' });
    good.send(encodeOutput(0, 1, data('abc')));
    await good.frame(FrameType.outputAck);
  }));

test('a HELLO whose field names are long and foreign closes only its own link', () =>
  withSession({}, async (host) => {
    const liar = await RawLink.agent(host, { inputs: { ['\u00e9'.repeat(70)]: 1 } });
    const { code, reason } = await liar.closing();
    assert.equal(code, 4002);
    assert.match(reason, /^HELLO inputs\.\?+/);
    await (await RawLink.agent(host)).frame(FrameType.welcome);
  }));

test('a link above the limit of a client that goes on with what is no frame closes alone', () =>
  withSession({}, async (host) => {
    const silent = Array.from({ length: LINKS_PER_CLIENT_MAX }, () => new WebSocket(host.url(`/data/${CLIENT}`)));
    await Promise.all(silent.map((link) => once(link, 'open')));
    const surplus = new WebSocket(host.url(`/data/${CLIENT}`));
    surplus.on('upgrade', (response) => response.socket.write(Buffer.alloc(64, 0xff)));
    await once(surplus, 'close');
    for (const link of silent) link.terminate();
    await until(() => silent.every((link) => link.readyState === link.CLOSED), 'the others to be closed');
    await (await RawLink.agent(host)).frame(FrameType.welcome);
  }));

test('lies of a viewer: a foreign origin, a gap, an acknowledgement of what was not sent (wire 4.6-4.8)', () =>
  withSession({}, async (host) => {
    const agent = await RawLink.agent(host, { inputs: { [ORIGIN]: 5 } });
    await agent.frame(FrameType.welcome);
    const foreign = await RawLink.viewer(host);
    await foreign.frame(FrameType.welcome);
    foreign.send(encodeInput('cd'.repeat(16), 0, new Uint8Array(1)));
    assert.equal((await foreign.closing()).code, 4002);
    const shown = await RawLink.viewer(host);
    shown.send(encodeOutputAck(1000));
    assert.equal((await shown.closing()).code, 4002);
    const gap = await RawLink.viewer(host);
    await gap.frame(FrameType.welcome);
    for (let at = 0; at < 4; at++) gap.send(encodeInput(ORIGIN, 100 + at * 200_000, new Uint8Array(200_000)));
    assert.equal((await gap.closing()).code, 4002);
    assert.ok(!agent.frames.some((frame) => frame.type === FrameType.input), 'nothing of it reached the agent');
    const flood = await RawLink.viewer(host);
    await flood.frame(FrameType.welcome);
    for (let at = 0; at < 4; at++) flood.send(encodeInput(ORIGIN, 5 + at * 200_000, new Uint8Array(200_000)));
    assert.equal((await flood.closing()).code, 4005);
  }));

test('an agent that confirms input it was never given is cut off', () =>
  withSession({}, async (host) => {
    const agent = await RawLink.agent(host);
    await agent.frame(FrameType.welcome);
    agent.send(encodeInputAck(ORIGIN, 1));
    assert.equal((await agent.closing()).code, 4002);
  }));

test('a slow viewer gets a window and then a screen, and slows neither the recording nor another viewer (wire 4.8, 5.5)', () =>
  withSession({}, async (host) => {
    const agent = await RawLink.agent(host);
    await agent.frame(FrameType.welcome);
    const slow = await RawLink.viewer(host);
    const quick = await RawLink.viewer(host, { origin: 'cd'.repeat(16) });
    await slow.frame(FrameType.welcome);
    await quick.frame(FrameType.welcome);
    quick.socket.on('message', () => {
      const last = quick.frames.at(-1)!;
      if (last.type === FrameType.output) quick.send(encodeOutputAck(last.offset + last.bytes.length));
    });
    const line = data(`${'x'.repeat(60_000)}\r\n`);
    let sent = 0;
    const total = 200 * line.length;
    for (let index = 0; index < 200; index++) {
      agent.send(encodeOutput(sent, 1, line));
      sent += line.length;
      if (index % 16 === 0) await until(() => quick.outputBytes === sent, 'the quick viewer to keep up');
    }
    const tail = Buffer.concat([encodeSize(OutputRecord.resized, 100, 30), data('\u001b[2J\u001b[HLAST LINE')]);
    agent.send(encodeOutput(sent, 1, tail));
    await until(() => quick.outputBytes === total + tail.length, 'the quick viewer to have everything');
    await until(
      () => agent.frames.some((frame) => frame.type === FrameType.outputAck && frame.offset === total + tail.length),
      'all on disk',
    );
    assert.ok(
      slow.outputBytes > VIEWER_WINDOW_BYTES && slow.outputBytes < VIEWER_WINDOW_BYTES + 2 * line.length,
      `${slow.outputBytes}`,
    );
    slow.send(encodeOutputAck(slow.outputBytes));
    const screen = await slow.frame(FrameType.screen);
    assert.ok(screen.type === FrameType.screen);
    assert.equal(screen.offset, total + tail.length);
    assert.deepEqual([screen.cols, screen.rows], [100, 30]);
    assert.match(screen.text, /LAST LINE/);
    const more = data('more');
    agent.send(encodeOutput(total + tail.length, 1, more));
    await until(() => slow.frames.at(-1)?.type === FrameType.output, 'the slow viewer to be live again');
  }));

test('a viewer that reconnects goes on at its byte; one that comes new gets a screen first (wire 4.8)', () =>
  withSession({}, async (host) => {
    const agent = await RawLink.agent(host);
    await agent.frame(FrameType.welcome);
    agent.send(encodeOutput(0, 1, data('one ')));
    agent.send(encodeOutput(9, 1, data('two ')));
    await until(() => agent.frames.some((frame) => frame.type === FrameType.outputAck && frame.offset === 18), 'all on disk');
    const back = await RawLink.viewer(host, { outFrom: 11 });
    await until(() => back.outputBytes === 7, 'the missing bytes');
    const fresh = await RawLink.viewer(host, { origin: 'cd'.repeat(16) });
    const screen = await fresh.frame(FrameType.screen);
    assert.ok(screen.type === FrameType.screen && screen.text.startsWith('one two'));
    assert.equal(screen.offset, 18);
    // One that saw what was never recorded waits until the agent has sent it again.
    const ahead = await RawLink.viewer(host, { origin: 'ef'.repeat(16), outFrom: 27 });
    await ahead.frame(FrameType.welcome);
    agent.send(encodeOutput(18, 1, data('3333')));
    agent.send(encodeOutput(27, 1, data('4')));
    await until(() => ahead.outputBytes === 6, 'only what it lacks');
  }));

test('no space: the session pauses, then ends with recording-failed; a new one does not start', () =>
  withSession({ limits: { recordingPauseLimitMs: 1500 } }, async (host) => {
    const agent = await RawLink.agent(host);
    await agent.frame(FrameType.welcome);
    const viewer = await RawLink.viewer(host);
    await viewer.frame(FrameType.welcome);
    host.freeBytes = 10;
    await host.message('paused', (message) => message.paused);
    viewer.send(encodeInput(ORIGIN, 0, new Uint8Array(6)));
    assert.equal((await host.message('session-ended')).reason, 'recording-failed');
    assert.deepEqual([(await viewer.closing()).code, (await agent.closing()).code], [4003, 4003]);
    assert.ok(!agent.frames.some((frame) => frame.type === FrameType.input), 'nothing is typed unrecorded');
    host.relay.handle({ kind: 'session-forget', session: (await host.message('session-opened')).session });
    await new Promise((resolve) => setImmediate(resolve));
    rmSync(host.file);
    host.openSession();
    assert.match((await host.message('session-open-failed')).reason, /no space left/);
  }));

test(
  'a full disk: paused, and when there is room again everything is recorded',
  { skip: process.getuid?.() !== 0 && 'needs root' },
  async () => {
    const directory = mkdtempSync(join(tmpdir(), 'bascule-full-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory]);
    try {
      await withSession({ directory: join(directory, 'recordings') }, async (host) => {
        const ballast = join(directory, 'ballast');
        writeFileSync(ballast, new Uint8Array(800 * 1024));
        const agent = await RawLink.agent(host);
        await agent.frame(FrameType.welcome);
        const viewer = await RawLink.viewer(host);
        await viewer.frame(FrameType.welcome);
        const record = data('y'.repeat(60_000));
        for (let index = 0; index < 8; index++) agent.send(encodeOutput(index * record.length, 1, record));
        await host.message('paused', (message) => message.paused && /ENOSPC/.test(message.reason ?? ''));
        rmSync(ballast);
        await host.message('paused', (message) => !message.paused);
        await until(
          () => agent.frames.some((frame) => frame.type === FrameType.outputAck && frame.offset === 8 * record.length),
          'all on disk',
        );
        assert.equal((await dataOf(host.file)).length, 8 * 60_000);
        assert.ok(
          viewer.frames.some((frame) => frame.type === FrameType.inputAck),
          'the viewer is told from where to type on',
        );
      });
    } finally {
      execFileSync('umount', [directory]);
      rmSync(directory, { recursive: true });
    }
  },
);

test('a recording that reaches its limit ends the session with limit-reached', () =>
  withSession({ limits: { recordingMaxBytes: 5000 } }, async (host) => {
    const agent = await RawLink.agent(host);
    await agent.frame(FrameType.welcome);
    for (let index = 0; index < 3; index++) agent.send(encodeOutput(index * 4005, 1, data('z'.repeat(4000))));
    assert.equal((await host.message('session-ended')).reason, 'limit-reached');
    assert.equal((await readFacts(host.file))?.end?.reason, 'limit-reached');
  }));

test('above its rate a session is slowed, never cut', () =>
  withSession({ limits: { sessionBytesPerSecond: 400_000, sessionBurstBytes: 50_000 } }, async (host) => {
    const agent = await RawLink.agent(host);
    await agent.frame(FrameType.welcome);
    const startedAtMs = performance.now();
    const record = data('q'.repeat(49_995));
    for (let index = 0; index < 6; index++) agent.send(encodeOutput(index * 50_000, 1, record));
    await until(
      () => agent.frames.some((frame) => frame.type === FrameType.outputAck && frame.offset === 300_000),
      'all on disk',
    );
    assert.ok(performance.now() - startedAtMs > 400, 'the quota held it back');
  }));

test('asked to end: the last output within the grace is taken, the answer is repeated, the file says the same', () =>
  withSession({}, async (host) => {
    const agent = await RawLink.agent(host);
    await agent.frame(FrameType.welcome);
    const { session } = await host.message('session-opened');
    const end = { kind: 'session-end', session, reason: 'ended-by-user', graceMs: 20_000 } as const;
    host.relay.handle(end);
    agent.send(encodeOutput(0, 1, Buffer.concat([data('bye'), encodeExit(-1, 1)])));
    agent.send(encodeDrained());
    const ended = await host.message('session-ended');
    assert.deepEqual(
      [ended.reason, ended.exitCode, ended.outBytes, ended.recordingBytes],
      ['ended-by-user', null, 18, readFileSync(host.file).length],
    );
    assert.equal((await readFacts(host.file))?.headSha256, ended.headSha256);
    host.relay.handle(end);
    await until(() => host.messages.filter((message) => message.kind === 'session-ended').length === 2, 'the answer again');
    assert.deepEqual(
      host.messages.findLast((message) => message.kind === 'session-ended'),
      ended,
    );
    // And by a relay that only has the file.
    host.relay.handle({ kind: 'session-forget', session });
    await new Promise((resolve) => setImmediate(resolve));
    host.openSession(true);
    await until(
      () => host.messages.filter((message) => message.kind === 'session-ended').length === 3,
      'the answer from the file',
    );
    assert.deepEqual(
      host.messages.findLast((message) => message.kind === 'session-ended'),
      ended,
    );
  }));

test('a ticket asked for before a cut lets nobody in after it', () =>
  withSession({}, async (host) => {
    const [byLogin, byUser, agent] = [host.ticket('viewer'), host.ticket('viewer'), host.ticket('agent')];
    host.relay.handle({ kind: 'viewers-cut', user: newId('user') });
    host.relay.handle({ kind: 'viewers-cut', session: newId('accessSession') });
    await (await RawLink.viewer(host, { ticket: byUser })).frame(FrameType.welcome);
    host.relay.handle({ kind: 'viewers-cut', loginSession: LOGIN_SESSION });
    host.relay.handle({ kind: 'agent-cut', client: CLIENT });
    assert.equal((await (await RawLink.viewer(host, { ticket: byLogin })).closing()).code, 4001);
    assert.equal((await (await RawLink.agent(host, { ticket: agent })).closing()).code, 4001);
    await (await RawLink.viewer(host)).frame(FrameType.welcome);
  }));

test('cuts: whoever has a session open that they may no longer have', () =>
  withSession({}, async (host) => {
    const viewer = await RawLink.viewer(host);
    await viewer.frame(FrameType.welcome);
    const { session } = await host.message('session-opened');
    host.relay.handle({ kind: 'viewers-cut', session });
    assert.equal((await viewer.closing()).code, 4001);
  }));

test('cuts: a logged-out person, a revoked client', () =>
  withSession({}, async (host) => {
    const agent = await RawLink.agent(host);
    await agent.frame(FrameType.welcome);
    const viewer = await RawLink.viewer(host);
    await viewer.frame(FrameType.welcome);
    const { session } = await host.message('session-opened');
    host.relay.handle({ kind: 'viewers-cut', user: newId('user') });
    host.relay.handle({ kind: 'agent-cut', client: newId('jumpClient') });
    assert.deepEqual([viewer.closed, agent.closed], [undefined, undefined]);
    host.relay.handle({ kind: 'viewers-cut', loginSession: LOGIN_SESSION });
    host.relay.handle({ kind: 'agent-cut', client: CLIENT });
    assert.deepEqual([(await viewer.closing()).code, (await agent.closing()).code], [4001, 4001]);
    await host.message('viewers', (message) => message.session === session && message.count === 0);
  }));

test('a new main: viewers and their tickets of before it come back with fresh tickets; a new configuration cuts nobody', () =>
  withSession({}, async (host) => {
    const agent = await RawLink.agent(host);
    await agent.frame(FrameType.welcome);
    const viewer = await RawLink.viewer(host);
    await viewer.frame(FrameType.welcome);
    host.configure();
    const ticket = host.ticket('viewer');
    await (await RawLink.viewer(host, { origin: 'cd'.repeat(16) })).frame(FrameType.welcome);
    assert.equal(viewer.closed, undefined);
    host.relay.setMain(undefined);
    host.relay.setMain((message) => host.messages.push(message));
    host.configure();
    assert.equal((await viewer.closing()).code, 4006);
    assert.equal((await (await RawLink.viewer(host, { ticket })).closing()).code, 4001);
    await (await RawLink.viewer(host)).frame(FrameType.welcome);
    assert.equal(agent.closed, undefined);
  }));
