/**
 * Walks the whole route table of both interfaces: without login, with a login that still has to change its password, and as the least privileged
 * user. Whatever answers must be named in exceptions.json; a new route that is not refused, and not named there, fails here.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Accounts, accountMigrations } from '@bascule/accounts/accounts.ts';
import { homePaths } from '@bascule/core/home.ts';
import { ID_PREFIX, newId, type IdKind } from '@bascule/core/ids.ts';
import { routesOf, type HttpServer, type RouteEntry } from '@bascule/http/http-server.ts';
import { createLog } from '@bascule/log/log.ts';
import { CSRF_HEADER } from '@bascule/protocol/api/common.ts';
import { Store } from '@bascule/store/store.ts';
import { testContext } from '@bascule/store/testing.ts';
import { certificateRoutes } from '../../apps/base/src/certificates/certificate-routes.ts';
import { Changes, changeMigrations } from '../../apps/base/src/changes/changes.ts';
import { openBoxInterface, routesOfBox, type BoxParts } from '../../apps/base/src/http/http.ts';
import { authorizeBox, BOX_COOKIE, openBoxAdministrators } from '../../apps/base/src/identity/identity.ts';
import { routingRoutes } from '../../apps/base/src/network/routing-routes.ts';
import { BoxCare } from '../../apps/base/src/box-care.ts';
import { moveRoutes } from '../../apps/base/src/move/move-routes.ts';
import { planRoutes } from '../../apps/base/src/plans/plan-routes.ts';
import { restoreRoutes } from '../../apps/base/src/restore/restore-routes.ts';
import { securityRoutes } from '../../apps/base/src/security/security-routes.ts';
import { softwareRoutes } from '../../apps/base/src/software/software-routes.ts';
import { trafficRoutes } from '../../apps/base/src/traffic/traffic-routes.ts';
import { SITE_COOKIE } from '../../apps/site/src/identity/identity.ts';
import { openTestSite } from '../../apps/site/src/testing.ts';

type Exceptions = Record<'withoutLogin' | 'beforePasswordChange' | 'leastPrivilegedUser', Record<string, string>>;
const exceptions = JSON.parse(readFileSync(join(import.meta.dirname, 'exceptions.json'), 'utf8')) as Exceptions;

interface Login {
  cookie: string;
  csrf: string;
}
interface Interface {
  http: HttpServer;
  accounts: Accounts;
  cookieName: string;
}

let siteEnd: () => Promise<void>;
let boxEnd: () => Promise<void>;
const interfaces: Interface[] = [];

before(async () => {
  const site = await openTestSite();
  siteEnd = () => site[Symbol.asyncDispose]();
  interfaces.push({ http: site.site.parts.http, accounts: site.site.parts.accounts, cookieName: SITE_COOKIE });
  const box = await openBox();
  boxEnd = box.end;
  interfaces.push({ http: box.http, accounts: box.accounts, cookieName: BOX_COOKIE });
});
after(async () => {
  await siteEnd();
  await boxEnd();
});

/** The box interface as base composes it, on a database of its own. What its routes read is not asked for here. */
async function openBox() {
  const directory = mkdtempSync(join(tmpdir(), 'bascule-box-'));
  const log = createLog('test', 'silent');
  const store = Store.open({
    path: join(directory, 'box.db'),
    migrations: [...accountMigrations, ...changeMigrations],
    appliance: 'test',
    log,
  });
  const accounts = openBoxAdministrators(store, directory, 'test', log);
  const state = () => ({ applianceName: 'test', siteReady: true, siteState: 'ready' as const });
  const http = await openBoxInterface({
    config: { hosts: ['localhost'], baseDir: directory } as Parameters<typeof openBoxInterface>[0]['config'],
    accounts,
    routes: routesOfBox({
      state,
      changes: [new Changes({ store, log }), () => ({ address: '', localAddress: '', sinceMs: 0 })],
      certificates: { routes: () => certificateRoutes({} as Parameters<typeof certificateRoutes>[0]) },
      security: { routes: () => securityRoutes(...([{}, () => ({})] as unknown as Parameters<typeof securityRoutes>)) },
      routing: { routes: () => routingRoutes(...([{}, {}, () => ({})] as unknown as Parameters<typeof routingRoutes>)) },
      software: { routes: () => softwareRoutes({} as Parameters<typeof softwareRoutes>[0]) },
      plans: { routes: () => planRoutes({} as Parameters<typeof planRoutes>[0]) },
      traffic: { routes: () => trafficRoutes(...([{}, {}, () => ''] as unknown as Parameters<typeof trafficRoutes>)) },
      restore: { routes: () => restoreRoutes({} as Parameters<typeof restoreRoutes>[0]) },
      move: { routes: () => moveRoutes({} as Parameters<typeof moveRoutes>[0]) },
      care: new BoxCare({
        config: { applianceName: 'test', paths: { ...homePaths(directory), box: directory } },
        store,
        accounts,
        log,
        boxSettings: { register: () => undefined },
      } as unknown as ConstructorParameters<typeof BoxCare>[0]),
    } as unknown as BoxParts),
    peerOf: ({ socket }) => ({ address: socket.remoteAddress ?? '', port: 1 }),
    log,
  });
  const end = async () => {
    await http.close();
    accounts.close();
    store.close();
    rmSync(directory, { recursive: true, force: true });
  };
  return { http, accounts, end };
}

/** Addresses with ids that are sound and belong to nothing. */
function fillIn(url: string): string[] {
  if (!url.includes(':')) return [url];
  return (Object.keys(ID_PREFIX) as IdKind[]).map((kind) => url.replace(/:\w+/g, newId(kind)));
}

let requests = 0;
async function statusesOf({ http, cookieName }: Interface, { method, url }: RouteEntry, login?: Login): Promise<number[]> {
  const statuses: number[] = [];
  for (const address of fillIn(url)) {
    const answer = await http.app.inject({
      method: method as 'GET',
      url: address,
      // Each from an address of its own: this is not about rate limits.
      remoteAddress: `10.0.${requests >> 8}.${requests++ & 255}`,
      headers: { host: 'localhost', ...(login && { cookie: `${cookieName}=${login.cookie}`, [CSRF_HEADER]: login.csrf }) },
      ...(method !== 'GET' && { payload: {} }),
      payloadAsStream: true,
    });
    answer.stream().destroy();
    statuses.push(answer.statusCode);
  }
  return statuses;
}

const nameOf = ({ method, url }: RouteEntry) => `${method} ${url}`;

async function newLogin({ accounts }: Interface, name: string, isReady: boolean): Promise<Login> {
  const role = accounts.actorKind === 'user' ? 'user' : 'administrator';
  const { oneTimePassword } = await accounts.users.create(testContext, { name, displayName: name, role });
  const { principal, cookie } = await accounts.logins.withPassword(name, oneTimePassword, {
    address: '192.0.2.1',
    userAgent: '',
  });
  if (isReady) await accounts.logins.changePassword(testContext, principal, { next: 'correct horse battery' });
  return { cookie, csrf: principal.csrf };
}

/** Routes that are not refused, against those that may. */
function compare(kind: keyof Exceptions, open: string[]): void {
  assert.deepEqual(open.toSorted(), Object.keys(exceptions[kind]).toSorted(), `exceptions.json, ${kind}`);
}

test('without a login session every route answers 401, but for the named ones', async () => {
  const open: string[] = [];
  for (const it of interfaces) {
    for (const entry of routesOf(it.http)) {
      const statuses = await statusesOf(it, entry);
      if (entry.action === 'public' || statuses.some((status) => status !== 401)) open.push(nameOf(entry));
    }
  }
  compare('withoutLogin', open);
});

test('before the one-time password is changed every route answers 401, but for the named ones', async () => {
  const open: string[] = [];
  for (const it of interfaces) {
    const login = await newLogin(it, 'newcomer', false);
    for (const entry of routesOf(it.http).filter(({ action, url }) => action !== 'public' && !url.endsWith('/logout'))) {
      const statuses = await statusesOf(it, entry, login);
      if (statuses.some((status) => status !== 401)) open.push(nameOf(entry));
    }
  }
  compare('beforePasswordChange', open);
});

test('the least privileged user is refused every route by policy, but for the named ones; and a refusal is in the audit', async () => {
  const [site] = interfaces as [Interface];
  const login = await newLogin(site, 'least', true);
  const refused: string[] = [];
  const note = site.accounts.noteAccessRefused.bind(site.accounts);
  site.accounts.noteAccessRefused = (context, refusal) => {
    refused.push(refusal.action);
    note(context, refusal);
  };
  const open: string[] = [];
  for (const entry of routesOf(site.http).filter(({ action, url }) => action !== 'public' && !url.endsWith('/logout'))) {
    refused.length = 0;
    const statuses = await statusesOf(site, entry, login);
    assert.ok(!statuses.includes(403), `${nameOf(entry)} tells 'forbidden' from 'missing'`);
    if (refused.length !== statuses.length) open.push(nameOf(entry));
    else
      assert.ok(
        statuses.every((status) => status === 404),
        `${nameOf(entry)} answers ${statuses.join(', ')}`,
      );
  }
  compare('leastPrivilegedUser', open);
  assert.match(await auditOf(site), /"code":"ACCESS_REFUSED"/);
});

test('the box has administrators only: no other account can be made, and no route of it is open to another role', async () => {
  const [, box] = interfaces as [Interface, Interface];
  await assert.rejects(box.accounts.users.create(testContext, { name: 'nobody', displayName: '', role: 'user' }), {
    code: 'ACCOUNT_ROLE_UNKNOWN',
  });
  const actions = routesOf(box.http).map(({ action }) => action);
  for (const wanted of ['box.updates.install', 'box.updates.change', 'box.network.change', 'box.email.change'])
    assert.ok(actions.includes(wanted), `the walk does not meet ${wanted}`);
  const { principal } = await administratorOf(box);
  for (const action of actions.filter((one) => one.startsWith('box.'))) {
    assert.ok(authorizeBox(principal, action) !== undefined);
    assert.equal(authorizeBox({ ...principal, role: 'user' }, action), undefined, action);
  }
});

async function administratorOf({ accounts }: Interface) {
  const { oneTimePassword } = await accounts.users.create(testContext, { name: 'ann', displayName: '', role: 'administrator' });
  return accounts.logins.withPassword('ann', oneTimePassword, { address: '192.0.2.1', userAgent: '' });
}

async function auditOf(site: Interface): Promise<string> {
  const oneTime = await site.accounts.users.create(testContext, { name: 'auditor', displayName: '', role: 'administrator' });
  const { principal, cookie } = await site.accounts.logins.withPassword('auditor', oneTime.oneTimePassword, {
    address: '192.0.2.1',
    userAgent: '',
  });
  await site.accounts.logins.changePassword(testContext, principal, { next: 'correct horse battery' });
  const answer = await site.http.app.inject({
    url: '/api/audit?text=ACCESS_REFUSED',
    headers: { host: 'localhost', cookie: `${site.cookieName}=${cookie}` },
  });
  return answer.body;
}
