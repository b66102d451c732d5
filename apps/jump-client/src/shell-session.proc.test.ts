import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { newId } from '@bascule/core/ids.ts';
import { DATA_ALPN } from '@bascule/protocol/control-link.ts';
import { CloseCode } from '@bascule/protocol/data-link.ts';
import { encodeOutputAck } from '@bascule/wire/frames.ts';
import { InputRecord, encodeRecord, encodeSize } from '@bascule/wire/records.ts';
import { ADMINISTRATOR, TestSite } from '../../site/src/jump/testing.ts';
import { newHomeDirectory } from '@bascule/client/testing.ts';
import { ORIGIN, ScriptedRelay } from './scripted-relay.ts';

const MAIN = join(import.meta.dirname, 'main.ts');

let site: TestSite;
let relay: ScriptedRelay;
let front: Server;
let client: ChildProcess;
let clientId: string;
let tickets = 0;
const directory = newHomeDirectory();

/** One port for both, as base does it: by the ALPN in the ClientHello. */
function startFront(): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('readable', () => {
      const head = (socket.read() as Buffer | null) ?? Buffer.alloc(0);
      if (head.includes(DATA_ALPN)) relay.take(socket, head);
      else site.jump.acceptLink(socket, head);
    });
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

async function online(): Promise<void> {
  while (!site.jump.isOnline(clientId)) await new Promise((resolve) => setTimeout(resolve, 5));
}

function startClient(token?: string): ChildProcess {
  const env = {
    PATH: process.env['PATH'],
    HOME: process.env['HOME'],
    // Reads no profile of bash, which may take seconds on the machine of whoever runs the tests.
    BASCULE_SHELL: '/bin/sh',
    LD_LIBRARY_PATH: '/nowhere',
    NODE_OPTIONS: '',
    BASCULE_LOG_LEVEL: 'info',
    ...(token && { BASCULE_TOKEN: token }),
  };
  const { port } = front.address() as AddressInfo;
  return spawn(process.execPath, [MAIN, '--site', `https://127.0.0.1:${port}`, '--home', directory], {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

async function openSession(giveUpAfterMs = 60_000): Promise<string> {
  relay = new ScriptedRelay(site.jump.linkTls);
  const session = newId('accessSession');
  tickets += 1;
  const program = {
    kind: 'shell' as const,
    size: { cols: 80, rows: 24 },
    term: 'xterm-256color',
    recordInput: false,
    giveUpAfterMs,
  };
  assert.ok(site.jump.sendToClient(clientId, { kind: 'session-open', session, program, ticket: `ticket-${tickets}` }));
  await relay.until(() => relay.hellos.length === 1);
  relay.type('exec bash --norc --noprofile\nexport PS1="> "; stty -echo\n');
  return session;
}

before(async () => {
  site = await TestSite.open();
  site.jump.onClientMessage((id, message) => {
    if (message.kind === 'ticket-request')
      site.jump.sendToClient(id, { kind: 'ticket', session: message.session, ticket: `ticket-${(tickets += 1)}` });
  });
  front = await startFront();
  client = startClient(site.token());
  while (site.jump.counts().online === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  clientId = site.jump.items(undefined, () => true).items[0]!.id;
});
after(async () => {
  client.kill('SIGKILL');
  front.close();
  await site.close();
  rmSync(directory, { recursive: true, force: true });
});
afterEach(() => relay.link?.terminate());

test(
  'a shell of the user, with a clean environment; EXIT is the last record, then DRAINED (wire 5.2)',
  { timeout: 20_000 },
  async () => {
    const session = await openSession();
    relay.type('env | sed "s/^/[/;s/$/]/"; tty; echo done-$((40 + 2))\n');
    await relay.next('done-42');
    const names = Array.from(relay.text.matchAll(/\[([A-Z_a-z]+)=/g), (match) => match[1]!);
    assert.ok(names.includes('HOME') && names.includes('TERM'));
    assert.deepEqual(
      names.filter((name) => /^(LD_|NODE|BASCULE)/.test(name)),
      [],
    );
    assert.match(relay.text, /\/dev\/pts\//);
    relay.sendInput(encodeSize(InputRecord.resize, 132, 43));
    relay.type('stty size; exit 7\n');
    await relay.until(() => relay.drained > 0);
    assert.match(relay.text, /43 132/);
    assert.deepEqual(relay.sizes, ['132x43']);
    assert.deepEqual(relay.exit, { code: 7, signal: 0 });
    assert.equal(relay.unconfirmedAtExit, 0, 'what the process got is confirmed before it is said to be gone');
    site.jump.sendToClient(clientId, { kind: 'session-forget', session });
  },
);

test('cut links: output and input go on without loss, repeat or gap', { timeout: 60_000 }, async () => {
  const session = await openSession();
  relay.type('for i in $(seq 1 30000); do echo line-$i; [ $((i % 4000)) = 0 ] && sleep 0.1; done; echo all-$((1 + 1))\n');
  for (let cut = 1; cut <= 5; cut += 1) {
    await relay.next(`line-${cut * 4000}\r`);
    relay.link?.terminate();
  }
  await relay.next('all-2');
  const lines = Array.from(relay.text.matchAll(/line-(\d+)\r\n/g), (match) => Number(match[1]));
  assert.equal(lines.length, 30_000);
  assert.ok(lines.every((line, index) => line === index + 1));
  assert.ok(relay.hellos.length >= 6);
  assert.equal(new Set(relay.hellos.map((hello) => hello.ticket)).size, relay.hellos.length, 'a new ticket each time');

  // A viewer that saw no confirmation sends again: the agent drops what it had.
  const known = relay.hellos.at(-1)!.inputs[ORIGIN]!;
  assert.ok(known > 0);
  const record = encodeRecord(InputRecord.keys, Buffer.from('echo once-$((2 * 4))\n'));
  const offset = relay.acks.at(-1)!;
  relay.sendAgain(offset, record);
  relay.sendAgain(offset, record);
  await relay.until(() => relay.acks.includes(offset + record.length));
  await relay.next('once-8');
  // What is typed behind both shows that the second has been looked at.
  relay.sendAgain(offset + record.length, encodeRecord(InputRecord.keys, Buffer.from('echo after-$((3 * 3))\n')));
  await relay.next('after-9');
  assert.equal(relay.text.split('once-8').length, 2);
  site.jump.sendToClient(clientId, { kind: 'session-forget', session });
});

test(
  'output that reaches the disk behind a resume is acknowledged before it was sent again: the shell goes on',
  { timeout: 30_000 },
  async () => {
    const session = await openSession();
    relay.autoAck = false;
    relay.type('head -c 3000000 /dev/zero | base64 -w 0; echo; echo all-$((1 + 1))\n');
    await relay.next('all-2');
    relay.slowDisk = true;
    relay.link?.terminate();
    await relay.until(() => relay.hellos.length === 2);
    relay.type('echo after-$((3 * 3))\n');
    await relay.next('after-9');
    assert.equal(relay.hellos.length, 2, 'on the same link');
    site.jump.sendToClient(clientId, { kind: 'session-forget', session });
  },
);

test('input with a gap closes the link with 4002; nothing of it reaches the shell', { timeout: 20_000 }, async () => {
  const session = await openSession();
  const [code] = await Promise.all([
    once(relay.link!, 'close'),
    Promise.resolve(relay.sendAgain(1_000_000, encodeRecord(InputRecord.keys, Buffer.from('echo no\n')))),
  ]);
  assert.equal((code as unknown[])[0], CloseCode.protocol);
  site.jump.sendToClient(clientId, { kind: 'session-forget', session });
});

test(
  'output at exit is complete although nothing was acknowledged for long (back-pressure, not loss)',
  { timeout: 120_000 },
  async () => {
    const session = await openSession();
    relay.autoAck = false;
    // More than the replay buffer holds: the process has to wait, and exits while the client is not reading.
    relay.type('head -c 60000000 /dev/zero | base64 -w 0; exit\n');
    await relay.until(() => relay.received >= 64 * 1024 * 1024);
    await new Promise((resolve) => setTimeout(resolve, 500));
    const stalledAt = relay.received;
    assert.ok(stalledAt < 66 * 1024 * 1024, `the process waits: ${stalledAt}`);
    relay.autoAck = true;
    relay.link?.send(encodeOutputAck(relay.received));
    await relay.until(() => relay.drained > 0);
    let letters = 0;
    for (const byte of Buffer.from(relay.text, 'latin1')) if (byte === 0x41) letters += 1;
    assert.equal(letters, 80_000_000);
    site.jump.sendToClient(clientId, { kind: 'session-forget', session });
  },
);

test('session-end hangs up; a process that ignores it is killed after 5 s', { timeout: 30_000 }, async () => {
  const session = await openSession();
  relay.type("trap '' HUP; echo armed-$((3 + 4)); exec sh -c \"trap '' HUP; while :; do sleep 1; done\"\n");
  await relay.next('armed-7');
  const startedMs = performance.now();
  site.jump.sendToClient(clientId, { kind: 'session-end', session, reason: 'ended-by-user' });
  await relay.until(() => relay.drained > 0);
  assert.deepEqual(relay.exit, { code: -1, signal: 9 });
  assert.ok(performance.now() - startedMs >= 4900);
  site.jump.sendToClient(clientId, { kind: 'session-forget', session });
});

test('revoked: the shell is gone at once; stopped with SIGTERM: goodbye, and exit code 0', { timeout: 30_000 }, async () => {
  const session = await openSession();
  relay.type('echo pid-$$-\n');
  await relay.until(() => /pid-\d+-/.test(relay.text));
  const pid = Number(/pid-(\d+)-/.exec(relay.text)?.[1]);
  const goodbyes: string[] = [];
  site.jump.onClientMessage((_id, message) => goodbyes.push(message.kind));
  client.kill('SIGTERM');
  assert.deepEqual(await once(client, 'exit'), [0, null]);
  assert.ok(goodbyes.includes('goodbye'));
  assert.throws(() => process.kill(pid, 0));

  client = startClient();
  await online();
  await openSession();
  relay.type('echo pid-$$-\n');
  await relay.until(() => /pid-\d+-/.test(relay.text));
  const second = Number(/pid-(\d+)-/.exec(relay.text)?.[1]);
  site.jump.revoke(ADMINISTRATOR, clientId);
  for (let attempt = 0; attempt < 500; attempt += 1) {
    try {
      process.kill(second, 0);
    } catch {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(`the shell ${second} of session ${session} still runs`);
});
