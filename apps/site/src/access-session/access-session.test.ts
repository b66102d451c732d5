import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { AppError } from '@bascule/errors/app-error.ts';
import { readAudit } from '@bascule/store/audit.ts';
import { START_LIMIT_MS } from './session-keeper.ts';
import { contextOf, SessionBench } from './testing.ts';

const withCode = (code: string) => (error: unknown) => error instanceof AppError && error.code === code;

async function started(options: ConstructorParameters<typeof SessionBench>[0] = {}): Promise<SessionBench> {
  const bench = new SessionBench(options);
  await bench.start();
  return bench;
}

describe('the life of an access session', () => {
  it('is row, recording, order to the client, agent, live; each with its audit event', async () => {
    await using bench = await started();
    const session = await bench.open();
    const opened = await bench.relay.next('session-open');
    assert.equal(opened.resumed, false);
    assert.deepEqual(opened.header.user, { id: bench.user.id, name: 'anna' });
    assert.equal(opened.header.fromAddress, '192.0.2.7');
    const order = bench.clients.sent.find(({ message }) => message.kind === 'session-open')?.message;
    assert.ok(order?.kind === 'session-open' && order.session === session);
    const ticket = await bench.relay.next('agent-ticket');
    assert.equal(ticket.ticketSha256, createHash('sha256').update(order.ticket).digest('hex'));
    assert.equal(Buffer.from(order.ticket, 'base64url').length, 32);
    assert.equal(bench.row(session).state, 'starting');

    bench.relay.say({ kind: 'agent-link', session, connected: true });
    await bench.settled();
    assert.equal(bench.row(session).state, 'live');
    assert.equal(bench.row(session).agentConnected, true);
    assert.equal(bench.clients.counts.get(bench.item.id), 1);

    bench.sayEnded(session, 'process-exited');
    await bench.settled();
    const row = bench.row(session);
    assert.deepEqual([row.state, row.endReason, row.outBytes, row.recordingBytes], ['ended', 'process-exited', 10, 500]);
    assert.deepEqual(bench.auditCodes(), ['ACCESS_SESSION_STARTED', 'ACCESS_SESSION_LIVE', 'ACCESS_SESSION_ENDED']);
    const [end] = readAudit(bench.database.store, { limit: 1 });
    assert.equal((JSON.parse(end!.details) as { headSha256: string }).headSha256, 'ab'.repeat(32));
    assert.equal(bench.relay.of('session-forget').at(-2)?.session, session);
    assert.equal(bench.clients.kinds().at(-1), 'session-forget');
    assert.equal(bench.clients.counts.get(bench.item.id), 0);
  });

  it('names output that a change of roles has lost in the audit', async () => {
    await using bench = await started();
    const session = await bench.openLive();
    bench.relay.say({ kind: 'gap', session, from: 100, to: 350 });
    await bench.settled();
    const [event] = readAudit(bench.database.store, { limit: 1 });
    const { bytes, from, to } = JSON.parse(event!.details) as Record<string, number>;
    assert.deepEqual([event!.code, bytes, from, to], ['ACCESS_SESSION_OUTPUT_MISSING', 250, 100, 350]);
  });

  it('never goes unrecorded: when the recording cannot be opened there is no session, and the client is not told to start one', async () => {
    await using bench = await started();
    bench.relay.opens = false;
    const opening = bench.open();
    const { session } = await bench.relay.next('session-open');
    bench.relay.say({ kind: 'session-open-failed', session, reason: 'ENOSPC' });
    await assert.rejects(opening, withCode('ACCESS_SESSION_RECORDING_FAILED'));
    assert.deepEqual([bench.row(session).state, bench.row(session).endReason], ['ended', 'recording-failed']);
    assert.ok(!bench.clients.kinds().includes('session-open'));
  });

  it('opens nothing while the relay is away, and ends what it was opening when the relay died', async () => {
    await using bench = await started();
    bench.relay.opens = false;
    const opening = bench.open();
    const { session } = await bench.relay.next('session-open');
    const refused = assert.rejects(opening, withCode('ACCESS_SESSION_RELAY_AWAY'));
    await bench.killRelay();
    await refused;
    await assert.rejects(bench.open(), withCode('ACCESS_SESSION_RELAY_AWAY'));
    bench.relay.opens = true;
    await bench.relay.start();
    assert.equal((await bench.relay.next('session-end')).reason, 'recording-failed');
    bench.sayEnded(session, 'recording-failed');
    await bench.settled();
    assert.equal(bench.sessions.count, 0);
  });

  it('opens nothing on a client that has to be upgraded first, and says its place (B109, B110)', async () => {
    let place: number | null | undefined = 3;
    const asked: string[] = [];
    const holdBack = (_context: unknown, userId: string, itemId: string) => {
      asked.push(`${userId} ${itemId}`);
      return place === undefined ? undefined : { place };
    };
    await using bench = await started({ holdBack });
    await assert.rejects(bench.open(), (error: unknown) => {
      assert.ok(error instanceof AppError);
      assert.deepEqual([error.code, error.kind, error.params['place']], ['CLIENT_UPGRADE_PENDING', 'conflict', 3]);
      return true;
    });
    assert.deepEqual(asked, [`${bench.user.id} ${bench.item.id}`]);
    place = null;
    await assert.rejects(bench.open(), withCode('CLIENT_UPGRADE_PENDING'));
    assert.equal(bench.sessions.count, 0);
    place = undefined;
    const counts: [string, number][] = [];
    bench.sessions.onClientSessions((client, count) => counts.push([client, count]));
    const session = await bench.open();
    bench.sayEnded(session, 'process-exited');
    await bench.settled();
    assert.deepEqual(counts, [
      [bench.item.id, 1],
      [bench.item.id, 0],
    ]);
  });

  it('opens nothing that a licence forbids, and asks for the user and the item (B208, B209)', async () => {
    const asked: string[] = [];
    let isRefused = true;
    const checkLicence = (_context: unknown, user: { id: string; role: string }, item: { id: string }) => {
      asked.push(`${user.id} ${user.role} ${item.id}`);
      if (isRefused) throw new AppError('limited', 'LICENCE_ENDPOINTS', 'no licence');
    };
    await using bench = await started({ checkLicence });
    await assert.rejects(bench.open(), withCode('LICENCE_ENDPOINTS'));
    assert.equal(bench.sessions.count, 0);
    assert.deepEqual(asked, [`${bench.user.id} ${bench.user.role} ${bench.item.id}`]);
    isRefused = false;
    await bench.open();
    assert.equal(bench.sessions.count, 1);
    isRefused = true;
    bench.sessions.rightsChanged();
    assert.equal(bench.sessions.count, 1, 'a licence ends no session');
  });

  it('refuses what is offline, not approved, or beyond a limit', async () => {
    await using bench = await started({ limits: { user: 2, item: 3, site: 4 } });
    await assert.rejects(bench.open(bench.user, { ...bench.item, online: false }), withCode('ACCESS_SESSION_ITEM_OFFLINE'));
    await assert.rejects(
      bench.open(bench.user, { ...bench.item, state: 'waiting-for-approval' }),
      withCode('ACCESS_SESSION_ITEM_NOT_APPROVED'),
    );
    await bench.open();
    await bench.open();
    await assert.rejects(bench.open(), withCode('ACCESS_SESSION_LIMIT_USER'));
    await bench.open(bench.administrator);
    await assert.rejects(bench.open(bench.administrator), withCode('ACCESS_SESSION_LIMIT_ITEM'));
    const other = { ...bench.item, id: bench.item.id.replace(/.$/, (digit) => (digit === '0' ? '1' : '0')) };
    await bench.open(bench.administrator, other);
    const third = { ...bench.user, id: bench.user.id.replace(/.$/, (digit) => (digit === '0' ? '1' : '0')) };
    await assert.rejects(bench.open(third, other), withCode('ACCESS_SESSION_LIMIT_SITE'));
  });

  it('gives viewer tickets to its own user only, and only while it lives', async () => {
    await using bench = await started();
    const session = await bench.openLive();
    const { ticket, expiresAtMs } = await bench.sessions.attach(bench.user, session);
    const told = await bench.relay.next('viewer-ticket');
    assert.equal(told.ticketSha256, createHash('sha256').update(ticket).digest('hex'));
    assert.deepEqual([told.loginSession, told.user, expiresAtMs], [bench.user.loginSession, bench.user.id, bench.nowMs + 30_000]);
    await assert.rejects(bench.sessions.attach(bench.administrator, session), withCode('NOT_FOUND'));
    bench.sayEnded(session, 'process-exited');
    await bench.settled();
    await assert.rejects(bench.sessions.attach(bench.user, session), withCode('ACCESS_SESSION_ENDED'));
    await assert.rejects(bench.sessions.attach(bench.administrator, session), withCode('NOT_FOUND'));
  });

  it('tells an end by its user from one by an administrator, and keeps the first', async () => {
    await using bench = await started();
    const own = await bench.openLive();
    const others = await bench.openLive();
    bench.sessions.end(contextOf(bench.user), own);
    bench.sessions.end(contextOf(bench.administrator), others);
    bench.sessions.end(contextOf(bench.user), others);
    await bench.relay.next('session-end', 2);
    assert.deepEqual(
      bench.relay.of('session-end').map(({ session, reason }) => [session, reason]),
      [
        [own, 'ended-by-user'],
        [others, 'ended-by-administrator'],
      ],
    );
    assert.ok(bench.relay.of('session-end')[0]!.graceMs > 5000, 'the process has 5 s to go, and its last words are recorded');
  });

  it('ends, and cuts the links, when its client is revoked or its user disabled', async () => {
    await using bench = await started();
    const first = await bench.openLive();
    bench.clients.cut(bench.item.id);
    assert.equal((await bench.relay.next('agent-cut')).client, bench.item.id);
    assert.equal((await bench.relay.next('session-end')).reason, 'client-revoked');
    const second = await bench.openLive(bench.administrator);
    bench.sessions.loginSessionsEnded({
      user: bench.administrator.id,
      loginSessions: [bench.administrator.loginSession],
      disabled: false,
    });
    assert.equal((await bench.relay.next('viewers-cut')).loginSession, bench.administrator.loginSession);
    assert.equal(bench.relay.of('session-end').length, 1);
    bench.sessions.loginSessionsEnded({ user: bench.administrator.id, loginSessions: [], disabled: true });
    assert.equal((await bench.relay.next('viewers-cut', 2)).user, bench.administrator.id);
    const end = await bench.relay.next('session-end', 2);
    assert.deepEqual([end.session, end.reason], [second, 'user-disabled']);
    assert.notEqual(first, second);
  });

  it('ends, and cuts its viewers, when its user loses the right to the Jump Item; also when main died in between', async () => {
    await using bench = await started();
    const lost = await bench.openLive();
    const kept = await bench.openLive(bench.administrator);
    bench.sessions.rightsChanged();
    assert.equal(bench.relay.of('session-end').length, 0);
    bench.mayJump = (userId, itemId) => itemId === bench.item.id && userId === bench.administrator.id;
    bench.sessions.rightsChanged();
    assert.equal((await bench.relay.next('viewers-cut')).session, lost);
    const end = await bench.relay.next('session-end');
    assert.deepEqual([end.session, end.reason], [lost, 'user-disabled']);
    assert.ok(bench.clients.sent.some(({ message }) => message.kind === 'session-end' && message.session === lost));
    bench.sessions.rightsChanged();
    assert.equal(bench.auditCodes().filter((code) => code === 'ACCESS_SESSION_END_REQUESTED').length, 1);

    bench.mayJump = () => false;
    await bench.restartMain();
    await bench.settled();
    assert.equal((await bench.relay.next('viewers-cut')).session, kept);
    assert.equal((await bench.relay.next('session-open', 2)).endRequested, 'user-disabled');
  });

  it('gives the relay a renewed certificate of the links', async () => {
    await using bench = await started();
    bench.certificate = 'renewed';
    bench.sessions.settingsChanged();
    assert.equal((await bench.relay.next('configure', 2)).tls.certificate, 'renewed');
  });

  it('keeps a cut for a relay that is just away', async () => {
    await using bench = await started();
    await bench.killRelay();
    bench.sessions.loginSessionsEnded({ user: bench.user.id, loginSessions: [bench.user.loginSession], disabled: false });
    await bench.relay.start();
    assert.equal((await bench.relay.next('viewers-cut')).loginSession, bench.user.loginSession);
  });
});

describe('the clocks of an access session', () => {
  it('end one that nobody has open, and not while somebody has', async () => {
    await using bench = await started();
    const session = await bench.openLive();
    bench.pass(500);
    assert.equal(bench.relay.of('session-end').length, 0);
    bench.relay.say({ kind: 'viewers', session, count: 0 });
    await bench.settled();
    bench.pass(59);
    bench.relay.say({ kind: 'viewers', session, count: 1 });
    await bench.settled();
    bench.relay.say({ kind: 'viewers', session, count: 0 });
    await bench.settled();
    bench.pass(59);
    await bench.settled();
    assert.equal(bench.relay.of('session-end').length, 0, 'the clock began anew');
    bench.pass(1);
    assert.equal((await bench.relay.next('session-end')).reason, 'not-resumed-in-time');
  });

  it('run on over a restart of main, but leave people time to come back', async () => {
    await using bench = await started();
    const session = await bench.openLive();
    bench.relay.say({ kind: 'viewers', session, count: 0 });
    await bench.settled();
    bench.pass(1);
    await bench.restartMain();
    bench.relay.say({ kind: 'agent-link', session, connected: true });
    await bench.settled();
    bench.pass(58);
    await bench.settled();
    assert.equal(bench.relay.of('session-end').length, 0);
    bench.pass(1);
    assert.equal((await bench.relay.next('session-end')).reason, 'not-resumed-in-time');

    const other = await bench.openLive();
    bench.relay.say({ kind: 'viewers', session: other, count: 0 });
    await bench.settled();
    bench.pass(1);
    bench.sessions.close();
    bench.nowMs += 90 * 60_000;
    await bench.restartMain();
    bench.sessions.tick();
    await bench.settled();
    assert.ok(!bench.relay.of('session-end').some((end) => end.session === other), 'main was away: nobody could come back');
    bench.pass(3);
    await bench.settled();
    assert.ok(bench.relay.of('session-end').some((end) => end.session === other));
  });

  it('end one whose client stays away', async () => {
    await using bench = await started();
    const session = await bench.openLive();
    bench.relay.say({ kind: 'agent-link', session, connected: false });
    await bench.settled();
    bench.pass(29);
    await bench.settled();
    assert.equal(bench.relay.of('session-end').length, 0);
    bench.pass(1);
    assert.equal((await bench.relay.next('session-end')).reason, 'client-away-too-long');
    assert.ok(bench.auditCodes().includes('ACCESS_SESSION_CLIENT_AWAY'));
  });

  it('do not count the time in which the relay is away', async () => {
    await using bench = await started();
    await bench.openLive();
    await bench.killRelay();
    bench.pass(120);
    bench.relay.recordedBytes = 100;
    await bench.relay.start();
    await bench.relay.next('session-open');
    await bench.settled();
    bench.pass(1);
    await bench.settled();
    assert.equal(bench.relay.of('session-end').length, 0);
  });
});

describe('after a crash', () => {
  it('main takes up every session again, and a ticket asked for meanwhile is given', async () => {
    await using bench = await started();
    const session = await bench.openLive();
    await bench.killRelay();
    bench.clients.say(bench.item.id, { kind: 'ticket-request', session });
    assert.ok(!bench.clients.kinds().includes('ticket'));
    await bench.relay.start();
    const again = await bench.relay.next('session-open');
    assert.deepEqual([again.session, again.resumed], [session, true]);
    const ticket = await bench.relay.next('agent-ticket');
    await bench.settled();
    const sent = bench.clients.sent.at(-1)!.message;
    assert.ok(sent.kind === 'ticket');
    assert.equal(ticket.ticketSha256, createHash('sha256').update(sent.ticket).digest('hex'));
  });

  it('an end that was asked for is asked for again', async () => {
    await using bench = await started();
    const session = await bench.openLive();
    bench.sessions.end(contextOf(bench.user), session);
    await bench.relay.next('session-end');
    await bench.restartMain();
    assert.equal((await bench.relay.next('session-open')).endRequested, 'ended-by-user');
    assert.equal((await bench.relay.next('session-end')).reason, 'ended-by-user');
    bench.clients.hello(bench.item.id, session);
    assert.equal(bench.clients.sent.at(-1)?.message.kind, 'session-end');
  });

  it('a start that nobody knows of fails; one that the client holds goes on', async () => {
    await using bench = await started();
    const lost = await bench.open();
    const kept = await bench.open();
    await bench.restartMain();
    bench.clients.hello(bench.item.id, kept);
    bench.clients.say(bench.item.id, { kind: 'ticket-request', session: kept });
    await bench.settled();
    assert.deepEqual(
      bench.clients.sent.map(({ message }) => message.kind).sort(),
      ['session-open', 'ticket'],
      'the lost order is given again',
    );
    bench.relay.say({ kind: 'agent-link', session: kept, connected: true });
    await bench.settled();
    bench.nowMs += START_LIMIT_MS;
    bench.sessions.tick();
    const end = await bench.relay.next('session-end');
    assert.deepEqual([end.session, end.reason], [lost, 'start-failed']);
    assert.equal(bench.row(kept).state, 'live');
  });

  it('a client without the session has stopped; one with a session that has ended forgets it', async () => {
    await using bench = await started();
    const ended = await bench.openLive();
    bench.sayEnded(ended, 'process-exited');
    await bench.settled();
    const session = await bench.openLive();
    bench.clients.hello(bench.item.id, ended);
    assert.deepEqual(bench.clients.sent.filter(({ message }) => message.kind === 'session-forget').length, 2);
    const end = await bench.relay.next('session-end');
    assert.deepEqual([end.session, end.reason], [session, 'client-stopped']);
  });

  it("another client's word about a session counts for nothing", async () => {
    await using bench = await started();
    const session = await bench.openLive();
    const stranger = bench.item.id.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'));
    bench.clients.hello(stranger, session);
    bench.clients.say(stranger, { kind: 'ticket-request', session });
    bench.clients.say(stranger, { kind: 'session-gone', session });
    bench.clients.say(stranger, { kind: 'goodbye' });
    await bench.settled();
    assert.equal(bench.relay.of('agent-ticket').length, 1, 'the first one, for its own client');
    assert.equal(bench.relay.of('session-end').length, 0);
  });

  it('an end that main could not store is told again, and stored once', async () => {
    await using bench = await started();
    const session = await bench.openLive();
    bench.sayEnded(session, 'process-exited');
    await bench.settled();
    bench.sayEnded(session, 'process-exited');
    await bench.settled();
    assert.equal(bench.auditCodes().filter((code) => code === 'ACCESS_SESSION_ENDED').length, 1);
    assert.equal(bench.relay.of('session-forget').filter((forget) => forget.session === session).length, 2);
  });

  it('a recording that cannot be opened again is tried for a minute, then the session ends', async () => {
    await using bench = await started();
    const session = await bench.openLive();
    bench.relay.opens = false;
    await bench.restartMain();
    bench.relay.say({ kind: 'session-open-failed', session, reason: 'EIO' });
    await bench.settled();
    bench.pass(0.5);
    await bench.relay.next('session-open', 2);
    assert.equal(bench.row(session).state, 'live');
    bench.pass(0.5);
    assert.deepEqual(
      [bench.row(session).state, bench.row(session).endReason, bench.row(session).recordingBytes],
      ['ended', 'recording-failed', null],
    );
    assert.ok(bench.clients.kinds().includes('session-end'));
  });
});

describe('lists', () => {
  it('are paged and filtered, newest first, and of one owner when asked', async () => {
    await using bench = await started();
    const own = [];
    for (let round = 0; round < 3; round += 1) {
      bench.nowMs += 1000;
      own.push(await bench.openLive());
    }
    const others = await bench.openLive(bench.administrator);
    bench.sayEnded(own[0]!, 'process-exited');
    await bench.settled();
    const ids = (filter: Parameters<SessionBench['sessions']['page']>[0]) =>
      bench.sessions.page(filter).sessions.map(({ id }) => id);
    assert.deepEqual(new Set(ids({ limit: 10 })), new Set([others, ...own]));
    assert.deepEqual(ids({ limit: 10, ownerId: bench.user.id }), own.toReversed());
    const page = bench.sessions.page({ limit: 2, ownerId: bench.user.id });
    assert.deepEqual([page.sessions.map(({ id }) => id), page.more], [[own[2], own[1]], true]);
    assert.deepEqual(ids({ limit: 2, ownerId: bench.user.id, before: own[1] }), [own[0]]);
    assert.deepEqual(ids({ limit: 10, state: 'ended' }), [own[0]]);
    assert.deepEqual(ids({ limit: 10, endReason: 'process-exited' }), [own[0]]);
    assert.deepEqual(ids({ limit: 10, user: 'BOS' }), [others]);
    assert.deepEqual(ids({ limit: 10, user: '%' }), []);
    assert.equal(ids({ limit: 10, item: 'example' }).length, 4);
    assert.deepEqual(
      bench.sessions.active(bench.user.id).map(({ id }) => id),
      [own[2], own[1]],
    );
    assert.equal(bench.sessions.active().length, 3);
  });
});
