import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { newId } from '@bascule/core/ids.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { createLog } from '@bascule/log/log.ts';
import type { ToldLicence } from '@bascule/protocol/api/licence.ts';
import { readAudit } from '@bascule/store/audit.ts';
import { Store, type Context } from '@bascule/store/store.ts';
import { memoryDirectory } from '@bascule/testkit/memory-directory.ts';
import { allowed, endWarning, GRACE_DAYS, isNearlyFull } from './licence-core.ts';
import { licenceMigrations } from './licence-migrations.ts';
import { Licences, type Endpoint } from './licence.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const NOW_MS = Date.UTC(2027, 0, 10);
const ADA: Context = { actor: { kind: 'user', id: newId('user'), name: 'ada' }, address: '192.0.2.1' };
const code = (expected: string) => (error: unknown) => error instanceof AppError && error.code === expected;

function licence(terms: Partial<ToldLicence['terms']> = {}, version = '1.0.0'): ToldLicence {
  const all = {
    holder: 'Harbour',
    maintainedUntilMs: NOW_MS,
    endpoints: null,
    concurrentRepresentatives: null,
    expiresAtMs: null,
  };
  return { version, terms: { ...all, ...terms } };
}

function endpoint(name: string, state = 'approved'): Endpoint {
  return { id: newId('jumpClient'), name, hostName: `${name}.example`, state };
}

/** The domain alone, on a real store; what it is told of items and sessions can be changed. */
function open(t: TestContext, told: ToldLicence[], items: Endpoint[] = []) {
  const directory = memoryDirectory('bascule-licence-');
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const store = Store.open({
    path: join(directory, 'site.db'),
    migrations: licenceMigrations,
    appliance: 'test',
    log: createLog('test', 'silent'),
  });
  t.after(() => store.close());
  const world = {
    items,
    sessions: [] as { userId: string; userName: string; jumpItemId: string }[],
    nowMs: NOW_MS,
    mails: [] as string[],
  };
  const make = () =>
    new Licences({
      store,
      endpoints: () => world.items,
      endpoint: (id) => world.items.find((item) => item.id === id),
      approvedCount: () => world.items.filter(({ state }) => state === 'approved').length,
      changedItems: () => ({ revision: 1, ids: undefined }),
      sessions: () => world.sessions,
      mail: (what) => void world.mails.push(what),
      log: createLog('test', 'silent'),
      now: () => world.nowMs,
    });
  const licences = make();
  licences.start(told);
  t.after(() => licences.close());
  const audit = () => readAudit(store, { limit: 100 }).map(({ code: found }) => found);
  return { licences, world, audit, make };
}

const user = { id: newId('user'), isAdministrator: false };
const administrator = { id: newId('user'), isAdministrator: true };

describe('what licences allow', () => {
  it('is anything without one, and the sum of those that have not expired', () => {
    assert.deepEqual(allowed([], NOW_MS), {
      state: 'none',
      endpoints: null,
      representatives: null,
      expiresAtMs: null,
      refusedFromMs: null,
    });
    const both = [
      licence({ endpoints: 10, concurrentRepresentatives: 2, expiresAtMs: NOW_MS + DAY_MS }),
      licence({ holder: 'B', endpoints: 5, concurrentRepresentatives: null, expiresAtMs: NOW_MS - DAY_MS }),
    ];
    assert.deepEqual(allowed(both, NOW_MS), {
      state: 'valid',
      endpoints: 10,
      representatives: 2,
      expiresAtMs: NOW_MS + DAY_MS,
      refusedFromMs: NOW_MS + DAY_MS + GRACE_DAYS * DAY_MS,
    });
    assert.equal(allowed(both, NOW_MS - 2 * DAY_MS).endpoints, 15);
    assert.equal(allowed(both, NOW_MS - 2 * DAY_MS).representatives, null);
  });

  it('goes on for a time after the end, and says when that is over', () => {
    const one = [licence({ endpoints: 3, expiresAtMs: NOW_MS })];
    assert.equal(allowed(one, NOW_MS - 1).state, 'valid');
    assert.deepEqual([allowed(one, NOW_MS).state, allowed(one, NOW_MS).endpoints], ['grace', 3]);
    assert.equal(allowed(one, NOW_MS + GRACE_DAYS * DAY_MS - 1).state, 'grace');
    assert.equal(allowed(one, NOW_MS + GRACE_DAYS * DAY_MS).state, 'expired');
  });

  it('is warned of in steps', () => {
    const at = (days: number) => endWarning(allowed([licence({ expiresAtMs: NOW_MS + days * DAY_MS })], NOW_MS), NOW_MS);
    assert.deepEqual([31, 30, 15, 14, 7, 2, 1, 0, -1].map(at), [undefined, 30, 30, 14, 7, 7, 1, 0, 0]);
    assert.equal(endWarning(allowed([licence()], NOW_MS), NOW_MS), undefined);
    assert.deepEqual(
      [8, 9, 10].map((used) => isNearlyFull(used, 10)),
      [false, true, true],
    );
    assert.equal(isNearlyFull(1_000_000, null), false);
  });
});

describe('licences of endpoints (B208)', () => {
  it('are given to what is approved, oldest first, and a session elsewhere is refused, written down, with words', (t) => {
    const items = [endpoint('a'), endpoint('new', 'waiting-for-approval'), endpoint('b'), endpoint('c')];
    const { licences, audit } = open(t, [licence({ endpoints: 2 })], items);
    licences.settle();
    assert.deepEqual(licences.state().endpoints, { limit: 2, used: 2, without: 1 });
    assert.deepEqual(
      licences.endpoints({ has: 'yes', offset: 0 }).endpoints.map(({ name }) => name),
      ['a', 'b'],
    );
    licences.checkSession(ADA, user, items[0]!);
    assert.throws(
      () => licences.checkSession(ADA, user, items[3]!),
      (error: unknown) => {
        assert.ok(error instanceof AppError);
        assert.deepEqual([error.code, error.params], ['LICENCE_ENDPOINTS', { name: 'c', limit: 2 }]);
        return true;
      },
    );
    assert.throws(() => licences.checkSession(ADA, administrator, items[3]!), code('LICENCE_ENDPOINTS'));
    assert.equal(audit().filter((found) => found === 'LICENCE_REFUSED').length, 2);
  });

  it('become free with endpoints that are gone, and are there again after a restart', (t) => {
    const items = [endpoint('a'), endpoint('b'), endpoint('c')];
    const { licences, world, make } = open(t, [licence({ endpoints: 2 })], items);
    licences.settle();
    world.items = items.slice(1);
    licences.checkSession(ADA, user, items[2]!);
    assert.deepEqual(
      licences.endpoints({ has: 'yes', offset: 0 }).endpoints.map(({ name }) => name),
      ['b', 'c'],
    );
    assert.deepEqual(make().state().endpoints, licences.state().endpoints);
  });

  it('are moved to another endpoint, whose sessions stay where they are', (t) => {
    const [a, b] = [endpoint('a'), endpoint('b')] as const;
    const { licences, world, audit } = open(t, [licence({ endpoints: 1 })], [a, b]);
    licences.settle();
    world.sessions = [{ userId: user.id, userName: 'ben', jumpItemId: a.id }];
    assert.equal(licences.endpoints({ has: 'yes', offset: 0 }).endpoints[0]?.sessions, 1);
    licences.move(ADA, a.id, b.id);
    licences.checkSession(ADA, user, b);
    assert.throws(() => licences.checkSession(ADA, user, a), code('LICENCE_ENDPOINTS'));
    assert.throws(() => licences.move(ADA, a.id, b.id), code('LICENCE_NOT_MOVED'));
    assert.throws(() => licences.move(ADA, null, a.id), code('LICENCE_NONE_FREE'));
    assert.ok(audit().includes('LICENCE_MOVED'));
    const [row] = licences.endpoints({ has: 'yes', offset: 0 }).endpoints;
    assert.deepEqual([row?.name, row?.by], ['b', 'ada']);
  });

  it('are told of once when nearly all are in use, and when all are', (t) => {
    const items = Array.from({ length: 9 }, (_, index) => endpoint(`host-${index}`));
    const { licences, world } = open(t, [licence({ endpoints: 10 })], items);
    licences.settle();
    licences.settle();
    assert.deepEqual(world.mails, ['9 of 10 licences for endpoints are in use.']);
    world.items = [...items, endpoint('last')];
    licences.settle();
    assert.deepEqual(world.mails.slice(1), ['All 10 licences for endpoints are in use.']);
  });
});

describe('licences of representatives (B209)', () => {
  it('count people, not their sessions, and never those who have one already', (t) => {
    const item = endpoint('a');
    const { licences, world } = open(t, [licence({ concurrentRepresentatives: 1 })], [item]);
    licences.checkSession(ADA, user, item);
    world.sessions = [
      { userId: user.id, userName: 'ben', jumpItemId: item.id },
      { userId: user.id, userName: 'ben', jumpItemId: item.id },
    ];
    licences.checkSession(ADA, user, item);
    assert.throws(() => licences.checkSession(ADA, administrator, item), code('LICENCE_REPRESENTATIVES'));
    assert.deepEqual(licences.state().representatives, { limit: 1, active: [{ name: 'ben', sessions: 2 }] });
    world.sessions = [];
    licences.checkSession(ADA, administrator, item);
  });
});

describe('the end of a licence', () => {
  it('keeps out people, not administrators, after the time of grace; a newer package of the holder ends that', (t) => {
    const item = endpoint('a');
    const { licences, world } = open(t, [licence({ expiresAtMs: NOW_MS - DAY_MS })], [item]);
    licences.checkSession(ADA, user, item);
    world.nowMs += GRACE_DAYS * DAY_MS;
    assert.throws(() => licences.checkSession(ADA, user, item), code('LICENCE_EXPIRED'));
    licences.checkSession(ADA, administrator, item);
    licences.tell([licence({ expiresAtMs: null }, '0.9.0')]);
    assert.equal(licences.state().state, 'expired', 'an older package changes nothing');
    licences.tell([licence({ expiresAtMs: null }, '1.1.0')]);
    assert.equal(licences.state().state, 'valid');
    licences.checkSession(ADA, user, item);
  });

  it('is told of by mail, once for each step', (t) => {
    const { licences, world } = open(t, [licence({ expiresAtMs: NOW_MS + 20 * DAY_MS })]);
    licences.look();
    assert.deepEqual(world.mails, ['The licence expires on 2027-01-30.']);
    world.nowMs += 8 * DAY_MS;
    licences.look();
    licences.look();
    world.nowMs += 20 * DAY_MS;
    licences.look();
    assert.deepEqual(world.mails.slice(1), ['The licence expires on 2027-01-30.', 'The licence expired on 2027-01-30.']);
  });
});
