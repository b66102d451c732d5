/** A test of the standby, as a real Jump Client sees it: a second control link with sessions of its own, beside the first and what runs there (wire 3.13). */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { newId } from '@bascule/core/ids.ts';
import { newHomeDirectory } from '@bascule/client/testing.ts';
import { DATA_ALPN, type FromClient } from '@bascule/protocol/control-link.ts';
import { REHEARSAL_DATA_ALPN, REHEARSAL_LINK_ALPN } from '@bascule/protocol/rehearsal.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { TestSite } from '../../site/src/jump/testing.ts';
import { ScriptedRelay } from './scripted-relay.ts';

const MAIN = join(import.meta.dirname, 'main.ts');
const LIFE_MS = 600_000;
const LIMIT = { timeout: 30_000 };

/** A site behind one port, as base does it: by the ALPN in the ClientHello. */
class Machine {
  readonly site: TestSite;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #dataAlpn: string;
  /** What clients said, oldest first. */
  readonly said: FromClient[] = [];
  port = 0;
  #isDead = false;
  #relay: ScriptedRelay | undefined;
  #tickets = 0;

  private constructor(site: TestSite, dataAlpn: string) {
    this.site = site;
    this.#dataAlpn = dataAlpn;
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => this.#sockets.delete(socket));
      socket.once('readable', () => {
        const head = (socket.read() as Buffer | null) ?? Buffer.alloc(0);
        if (!head.includes(dataAlpn)) site.jump.acceptLink(socket, head);
        else if (this.#relay === undefined) socket.destroy();
        else this.#relay.take(socket, head);
      });
    });
    site.jump.onClientMessage((client, message) => {
      this.said.push(message);
      if (message.kind === 'ticket-request')
        site.jump.sendToClient(client, { kind: 'ticket', session: message.session, ticket: this.#ticket() });
    });
  }

  static async start(site: TestSite, dataAlpn: string): Promise<Machine> {
    const machine = new Machine(site, dataAlpn);
    machine.#server.listen(0, '127.0.0.1');
    await once(machine.#server, 'listening');
    machine.port = (machine.#server.address() as AddressInfo).port;
    return machine;
  }

  #ticket(): string {
    return `ticket-${(this.#tickets += 1)}`;
  }

  /** A shell on the client: its relay, and its id. */
  async openSession(): Promise<{ relay: ScriptedRelay; session: string }> {
    const relay = new ScriptedRelay(this.site.jump.linkTls, this.#dataAlpn);
    this.#relay = relay;
    const session = newId('accessSession');
    const size = { cols: 80, rows: 24 };
    const program = { kind: 'shell' as const, size, term: 'xterm', recordInput: false, giveUpAfterMs: 60_000 };
    assert.ok(this.site.jump.sendToClient(clientId, { kind: 'session-open', session, program, ticket: this.#ticket() }));
    await relay.until(() => relay.hellos.length === 1);
    relay.type('exec bash --norc --noprofile\nexport PS1="> "; stty -echo\n');
    return { relay, session };
  }

  /** As when its program is killed: every connection is gone, and nothing listens any more. */
  async die(): Promise<void> {
    if (this.#isDead) return;
    this.#isDead = true;
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await this.site.close();
  }

  /** Cuts what is connected now. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

let primary: Machine;
let standby: Machine | undefined;
let client: ChildProcess;
let clientId: string;
const home = newHomeDirectory();

function startClient(token?: string): ChildProcess {
  const env = {
    PATH: process.env['PATH'],
    HOME: process.env['HOME'],
    BASCULE_SHELL: '/bin/sh',
    BASCULE_LOG_LEVEL: process.env['BASCULE_LOG_LEVEL'] ?? 'silent',
    ...(token !== undefined && { BASCULE_TOKEN: token }),
  };
  const site = `https://127.0.0.1:${primary.port}`;
  return spawn(process.execPath, [MAIN, '--site', site, '--home', home], { env, stdio: ['ignore', 'inherit', 'inherit'] });
}

before(async () => {
  primary = await Machine.start(await TestSite.open(), DATA_ALPN);
  client = startClient(primary.site.token());
  await waitUntil('the client is there', () => primary.site.jump.counts().online === 1);
  clientId = primary.site.jump.items(undefined, () => true).items[0]!.id;
});
afterEach(async () => {
  await standby?.die();
  standby = undefined;
});
after(async () => {
  client.kill('SIGKILL');
  await primary.die();
  rmSync(home, { recursive: true, force: true });
});

async function startStandby(clients = [clientId]): Promise<Machine> {
  const site = await primary.site.rehearsal({ alpn: REHEARSAL_LINK_ALPN, clients: new Set(clients) });
  standby = await Machine.start(site, REHEARSAL_DATA_ALPN);
  return standby;
}

/** Tells the client to take part in a test at `machine`; gives the test's id. */
function order(machine: Machine, lifeMs = LIFE_MS, rehearsal = randomBytes(16).toString('hex')): string {
  const told = { kind: 'rehearse', rehearsal, host: '127.0.0.1', port: machine.port, lifeMs } as const;
  assert.ok(primary.site.jump.rehearse(clientId, told));
  return rehearsal;
}

/** The client's next word about the test that it has not said before. */
async function word(connected: boolean): Promise<string | undefined> {
  return await waitUntil(`the client says that it is ${connected ? '' : 'not '}in the test`, () => {
    const at = primary.said.findIndex((message) => message.kind === 'rehearsal-link' && message.connected === connected);
    const [found] = at < 0 ? [] : primary.said.splice(0, at + 1).slice(-1);
    return found?.kind === 'rehearsal-link' ? (found.reason ?? 'without a reason') : undefined;
  });
}

/** What the client keeps on its disk, by name: content, and when it was written. */
function kept(): Record<string, string> {
  const files = readdirSync(home).filter((name) => statSync(join(home, name)).isFile());
  return Object.fromEntries(
    files.map((name) => [name, `${statSync(join(home, name)).mtimeMs} ${readFileSync(join(home, name), 'latin1')}`]),
  );
}

async function pidOf(relay: ScriptedRelay): Promise<number> {
  relay.type('echo pid-$$-\n');
  await relay.until(() => /pid-\d+-/.test(relay.text));
  return Number(/pid-(\d+)-/.exec(relay.text)?.[1]);
}

async function gone(pid: number): Promise<void> {
  await waitUntil(`process ${pid} is gone`, () => {
    try {
      return !process.kill(pid, 0);
    } catch {
      return true;
    }
  });
}

/** A shell at the primary that writes until it is told to stop; `finish`: nothing of it was lost, doubled or reordered. */
async function writingSession() {
  const { relay, session } = await primary.openSession();
  const goesOn = join(home, 'writes');
  writeFileSync(goesOn, '');
  relay.type(`i=0; while [ -e ${goesOn} ]; do i=$((i + 1)); echo line-$i; sleep 0.002; done; echo all-$i-written\n`);
  await relay.next('line-20\r');
  return {
    relay,
    async finish(): Promise<void> {
      rmSync(goesOn);
      await relay.until(() => /all-\d+-written/.test(relay.text));
      const lines = Array.from(relay.text.matchAll(/line-(\d+)\r\n/g), (match) => Number(match[1]));
      assert.ok(lines.every((line, index) => line === index + 1));
      assert.equal(lines.length, Number(/all-(\d+)-written/.exec(relay.text)?.[1]));
      primary.site.jump.sendToClient(clientId, { kind: 'session-forget', session });
    },
  };
}

test(
  'a second link with a session of its own, which changes nothing of the client; it ends when the primary says so',
  LIMIT,
  async () => {
    assert.ok(primary.site.jump.canRehearse(clientId));
    const writing = await writingSession();
    const backup = await startStandby();
    const before = kept();
    const rehearsal = order(backup);
    await word(true);
    const { jump } = backup.site;
    assert.ok(jump.isOnline(clientId));
    assert.equal(jump.softwareOf(clientId)?.upgradable, false);
    const shell = await backup.openSession();
    shell.relay.type('echo in-the-test-$((40 + 2))\n');
    await shell.relay.next('in-the-test-42');
    const pid = await pidOf(shell.relay);

    // What a site may do with a client, but not here.
    const addresses = [
      { host: 'elsewhere.example', port: 1 },
      { host: 'another.example', port: 1 },
    ];
    const settings = { mode: 'passive', checkInHours: 1, toleratesDates: true, addresses } as const;
    assert.ok(jump.sendToClient(clientId, { kind: 'settings', settings }));
    assert.ok(jump.sendToClient(clientId, { kind: 'check-in-over' }));
    assert.ok(jump.sendToClient(clientId, { kind: 'come-back', afterMs: 600_000, withinMs: 0 }));
    assert.ok(jump.sendToClient(clientId, { kind: 'uninstall' }));
    const refused = { kind: 'accepted', version: 1, state: 'approved', serverTimeMs: 1, record: 'forged', settings } as const;
    assert.ok(jump.sendToClient(clientId, { ...refused, reconnect: { windowMs: 600_000, withSessionsWindowMs: 60_000 } }));
    shell.relay.type('echo after-that-$((3 * 3))\n');
    await shell.relay.next('after-that-9');
    assert.deepEqual(kept(), before);

    assert.ok(primary.site.jump.rehearse(clientId, { kind: 'rehearsal-over', rehearsal }));
    assert.match((await word(false)) ?? '', /ended/);
    assert.ok(backup.said.some(({ kind }) => kind === 'goodbye'));
    await waitUntil('its second link is gone', () => !jump.isOnline(clientId));
    await gone(pid);
    await writing.finish();
    assert.equal(writing.relay.hellos.length, 1, 'on the same link all the time');
    assert.equal(client.exitCode, null);
  },
);

test(
  'the first link breaks: the test goes on, and the client says so when it is asked again; the standby closes: over',
  LIMIT,
  async () => {
    const writing = await writingSession();
    const backup = await startStandby();
    const rehearsal = order(backup);
    await word(true);
    const shell = await backup.openSession();
    const pid = await pidOf(shell.relay);
    primary.cut();
    shell.relay.type('echo meanwhile-$((5 * 5))\n');
    await shell.relay.next('meanwhile-25');
    await waitUntil('the client is back', () => primary.site.jump.isOnline(clientId));
    order(backup, LIFE_MS, rehearsal);
    await word(true);
    assert.equal(shell.relay.hellos.length, 1, 'the test did not notice');
    await backup.site.jump.close();
    assert.match((await word(false)) ?? '', /closed by the appliance/);
    await gone(pid);
    await writing.finish();
  },
);

test('a standby that dies is tried a few times; another test takes the place of one; its own time ends it', LIMIT, async () => {
  const writing = await writingSession();
  const first = await startStandby();
  order(first);
  await word(true);
  const pid = await pidOf((await first.openSession()).relay);
  await first.die();
  await word(false);
  process.kill(pid, 0);
  // Still being tried: the second order ends the first test with all that it had.
  const second = await startStandby();
  order(second, 2_000);
  await gone(pid);
  await word(true);
  assert.match((await word(false)) ?? '', /time of the test is up/);
  await waitUntil('its second link is gone', () => !second.site.jump.isOnline(clientId));
  await writing.finish();
});

test('a standby that refuses the client, and one where nobody answers', LIMIT, async () => {
  const writing = await writingSession();
  const backup = await startStandby([newId('jumpClient')]);
  order(backup);
  assert.match((await word(false)) ?? '', /for other Jump Clients/);
  assert.equal(backup.site.jump.isOnline(clientId), false);
  await backup.die();
  const rehearsal = order(backup);
  for (let tries = 0; tries < 3; tries += 1) assert.match((await word(false)) ?? '', /ECONNREFUSED/);
  assert.ok(primary.site.jump.rehearse(clientId, { kind: 'rehearsal-over', rehearsal }));
  assert.match((await word(false)) ?? '', /primary has ended/);
  await writing.finish();
});

test('a client that is stopped ends the test with its shells', LIMIT, async () => {
  const backup = await startStandby();
  order(backup);
  await word(true);
  const pid = await pidOf((await backup.openSession()).relay);
  client.kill('SIGTERM');
  assert.deepEqual(await once(client, 'exit'), [0, null]);
  await gone(pid);
  assert.ok(backup.said.some(({ kind }) => kind === 'goodbye'));
});
