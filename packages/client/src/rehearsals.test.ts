import assert from 'node:assert/strict';
import { request, type IncomingMessage } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { newId } from '@bascule/core/ids.ts';
import type { HeldSession } from '@bascule/protocol/control-link.ts';
import { REHEARSAL_LIFE_MS, REHEARSAL_LINK_ALPN } from '@bascule/protocol/rehearsal.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { TestSite } from '../../../apps/site/src/jump/testing.ts';
import { dial } from './dial.ts';
import type { FaceSessions, SessionMessage } from './face.ts';
import { REHEARSAL_SHELLS_MAX, REHEARSAL_TRIES_MAX, type RehearsalReport } from './rehearsal.ts';
import { Rehearsals } from './rehearsals.ts';
import { FACTS, enrolledClient, ScriptedLink, silent } from './testing.ts';

/** Sessions without processes. */
class FakeSessions implements FaceSessions {
  readonly ids = new Set<string>();
  isClosed = false;

  get size(): number {
    return this.ids.size;
  }

  held(): HeldSession[] {
    return Array.from(this.ids, (session) => ({ session, outStart: 0, outEnd: 0, exited: false }));
  }

  received(message: SessionMessage): void {
    if (message.kind === 'session-open') this.ids.add(message.session);
    else if (message.kind === 'session-forget') this.ids.delete(message.session);
  }

  async endAll(): Promise<void> {
    this.ids.clear();
  }

  close(): void {
    this.isClosed = true;
  }

  linkAccepted(): void {}
  linkEnded(): void {}
  onIdle(): void {}
}

let primary: TestSite;
let standby: TestSite;
let enrolled: Awaited<ReturnType<typeof enrolledClient>>;
before(async () => {
  primary = await TestSite.open();
  enrolled = await enrolledClient(primary.target, primary.token());
  standby = await primary.rehearsal({ alpn: REHEARSAL_LINK_ALPN, clients: new Set([enrolled.identity.client]) });
});
after(async () => {
  await Promise.all([primary.close(), standby.close()]);
});

/** A client's tests, with a clock that the test sets and no pauses between tries. */
function scene() {
  const { client, authority, certificate } = enrolled.identity;
  const clock = { wallMs: 0, steadyMs: 0 };
  const reports: RehearsalReport[] = [];
  const sessions: FakeSessions[] = [];
  const rehearsals = new Rehearsals(
    {
      face: {
        sessions: () => {
          sessions.push(new FakeSessions());
          return sessions.at(-1)!;
        },
      },
      proxy: undefined,
      tls: () => ({ authority, certificate, key: enrolled.home.keyPem }),
      hello: (held) => ({ kind: 'hello', versions: [1], instance: 'ab'.repeat(16), facts: FACTS, sessions: held }),
      log: silent,
      clocks: { wallMs: () => clock.wallMs, steadyMs: () => clock.steadyMs, random: () => 0 },
    },
    () => undefined,
  );
  return {
    client,
    clock,
    reports,
    sessions,
    rehearsals,
    order: (port: number, lifeMs = 60_000, rehearsal = 'cd'.repeat(16)) =>
      rehearsals.ordered({ kind: 'rehearse', rehearsal, host: '127.0.0.1', port, lifeMs }, (report) => reports.push(report)),
    said: (connected: boolean) =>
      waitUntil(`connected: ${connected}`, () => reports.some((report) => report.connected === connected)),
    over: () => waitUntil('the test is over', () => !rehearsals.isUnderWay),
  };
}

test('a standby that is not there is tried so often, and no more', async () => {
  const gone = createServer().listen(0, '127.0.0.1');
  await once(gone, 'listening');
  const { port } = gone.address() as AddressInfo;
  gone.close();
  const { order, over, reports, sessions } = scene();
  order(port);
  await over();
  assert.equal(reports.length, REHEARSAL_TRIES_MAX);
  assert.ok(reports.every(({ connected, reason }) => !connected && reason?.includes('ECONNREFUSED')));
  assert.ok(sessions[0]?.isClosed);
});

test('so many sessions in a test, and no more; a second order of the same test is the same test', async () => {
  const { client, order, over, said, sessions, rehearsals } = scene();
  order(standby.port);
  await said(true);
  const failed: string[] = [];
  standby.jump.onClientMessage((_, message) => message.kind === 'session-failed' && failed.push(message.session));
  const size = { cols: 80, rows: 24 };
  const program = { kind: 'shell', size, term: 'xterm', recordInput: false, giveUpAfterMs: 60_000 } as const;
  const ids = Array.from({ length: REHEARSAL_SHELLS_MAX + 1 }, () => newId('accessSession'));
  for (const session of [...ids, ids[0]!])
    assert.ok(standby.jump.sendToClient(client, { kind: 'session-open', session, program, ticket: 'x' }));
  await waitUntil('one was refused', () => failed.length > 0);
  assert.deepEqual(failed, ids.slice(-1));
  order(standby.port);
  assert.deepEqual(rehearsals.status, { site: `127.0.0.1:${standby.port}`, connected: true, sessions: REHEARSAL_SHELLS_MAX });
  assert.equal(sessions.length, 1);
  rehearsals.over('00'.repeat(16));
  assert.ok(rehearsals.isUnderWay, 'another test is over, not this one');
  rehearsals.over('cd'.repeat(16));
  await over();
  assert.equal(rehearsals.sessionCount, 0);
});

for (const which of ['wallMs', 'steadyMs'] as const)
  test(`its time is up by whichever clock went further (${which}), and orders do not make it longer than a test may be`, async () => {
    const { clock, order, over, said, reports } = scene();
    order(standby.port, 1_000_000);
    await said(true);
    clock[which] = 999_000;
    order(standby.port, REHEARSAL_LIFE_MS);
    clock[which] = REHEARSAL_LIFE_MS;
    await over();
    assert.match(reports.at(-1)?.reason ?? '', /time of the test is up/);
  });

test('a client that stops ends its test, and begins no other', async () => {
  const { client, order, said, rehearsals, sessions } = scene();
  order(standby.port);
  await said(true);
  await rehearsals.close(0);
  order(standby.port);
  await waitUntil('its link is gone', () => !standby.jump.isOnline(client));
  assert.deepEqual([rehearsals.isUnderWay, sessions.length], [false, 1]);
});

test('a client that the site refuses for good ends its test', async () => {
  const { client, order, over, said, rehearsals } = scene();
  order(standby.port);
  await said(true);
  rehearsals.dismissed();
  await over();
  await waitUntil('its link is gone', () => !standby.jump.isOnline(client));
});

test('the program of a test answers no requests beside the links', async () => {
  const { authority, certificate } = enrolled.identity;
  const tls = { authority, certificate, key: enrolled.home.keyPem, alpn: REHEARSAL_LINK_ALPN };
  let isAsked = false;
  standby.jump.serveRequests((_client, _request, response) => void response.end(String((isAsked = true))));
  const socket = await dial(standby.target, tls);
  const asked = request({ createConnection: () => socket, path: '/anything' }).end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  assert.deepEqual([answer.statusCode, isAsked], [404, false]);
  socket.destroy();
});

test('the program of a test takes nobody without a certificate, and no link of the usual kind', async () => {
  const { authority, certificate } = enrolled.identity;
  const alpn = REHEARSAL_LINK_ALPN;
  await assert.rejects(ScriptedLink.open(standby.target, { authority, alpn }), /503/);
  await assert.rejects(ScriptedLink.hello(standby.target, enrolled, 'ab'.repeat(16)));
  const link = await ScriptedLink.open(standby.target, { authority, certificate, key: enrolled.home.keyPem, alpn });
  await link.next('welcome');
  link.webSocket.close();
});
