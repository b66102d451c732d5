/** Who may begin, enter and leave a test of the standby, and what the audit knows of it, on a real pair with a real Jump Client (docs/decisions/0255, 0256). */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { newId } from '@bascule/core/ids.ts';
import { CSRF_HEADER } from '@bascule/protocol/api/common.ts';
import { applianceHeader } from '@bascule/protocol/api/failover.ts';
import { LEAVE_REHEARSAL_PATH, REHEARSAL_COOKIE } from '@bascule/protocol/rehearsal.ts';
import { readAudit } from '@bascule/store/audit.ts';
import { connectWithPreamble } from '@bascule/wire/preamble.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { SITE_COOKIE } from '../../identity/identity.ts';
import { ADA, inSync, startPair, type TestAppliance } from '../testing.ts';

const CLIENT_MAIN = join(import.meta.dirname, '..', '..', '..', '..', 'jump-client', 'src', 'main.ts');
const LIMIT_MS = 60_000;
const ADDRESS = '198.51.100.7';

let pair: Awaited<ReturnType<typeof startPair>>;
let one: TestAppliance;
let other: TestAppliance;
let client: ChildProcess;
let item: { id: string; name: string };
let ann: Person;
let bob: Person;
const home = mkdtempSync(join(tmpdir(), 'bascule-client-'));

interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  body: string;
}

/** Somebody with a login at the primary, and the cookie of the test once they have it. */
class Person {
  readonly id: string;
  readonly login: string;
  readonly csrf: string;
  test = '';

  constructor(id: string, login: string, csrf: string) {
    this.id = id;
    this.login = login;
    this.csrf = csrf;
  }

  static async make(name: string, role: 'administrator' | 'user'): Promise<Person> {
    const { accounts } = one.program.site!.parts;
    const { user, oneTimePassword } = await accounts.users.create(ADA, { name, displayName: name, role });
    const login = await accounts.logins.withPassword(name, oneTimePassword, { address: ADDRESS, userAgent: '' });
    await accounts.logins.changePassword(ADA, login.principal, { next: 'correct horse battery' });
    return new Person(user.id, login.cookie, login.principal.csrf);
  }

  get cookies(): string {
    const login = `${SITE_COOKIE}=${this.login}`;
    return this.test === '' ? login : `${login}; ${REHEARSAL_COOKIE}=${this.test}`;
  }

  /** As base passes it on. */
  async ask(method: string, path: string, body?: unknown, cookie = this.cookies): Promise<Answer> {
    const socket = connectWithPreamble(one.config.paths.mainSocket, { address: ADDRESS, port: 1 });
    const headers = {
      host: 'bascule.example:8443',
      cookie,
      [CSRF_HEADER]: this.csrf,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    };
    const sent = request({ createConnection: () => socket, method, path, headers });
    sent.end(body === undefined ? undefined : JSON.stringify(body));
    const answer = await new Promise<IncomingMessage>((resolve, reject) => sent.once('response', resolve).once('error', reject));
    return { status: answer.statusCode ?? 0, headers: answer.headers, body: await text(answer) };
  }

  async enter(): Promise<Answer> {
    const answer = await this.ask('POST', '/api/failover/rehearsal/enter', {}, `${SITE_COOKIE}=${this.login}`);
    this.test = /^__Host-bascule-standby-test=([^;]+)/.exec(answer.headers['set-cookie']?.[0] ?? '')?.[1] ?? '';
    return answer;
  }

  async header() {
    return applianceHeader.parse(JSON.parse((await this.ask('GET', '/api/whoami/appliance')).body)).rehearsal;
  }

  /** Of the scratch copy there is no Failover page. */
  async isInside(): Promise<boolean> {
    return (await this.ask('GET', '/api/failover')).body.includes('REHEARSAL_NOT_IN_TEST');
  }
}

before(async () => {
  pair = await startPair();
  ({ one, other } = pair);
  const { jump } = one.program.site!.parts;
  const token = jump.tokens.create(ADA, { name: 'test', uses: 1, approveEach: false, validForMs: 3_600_000, groupId: null }).text;
  client = spawn(process.execPath, [CLIENT_MAIN, '--site', `https://127.0.0.1:${one.endpoint.port}`, '--home', home], {
    env: { ...process.env, BASCULE_SHELL: '/bin/sh', BASCULE_LOG_LEVEL: 'silent', BASCULE_TOKEN: token },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await waitUntil('the client is there', () => jump.counts().online === 1, LIMIT_MS);
  const [first] = jump.items(undefined, () => true).items;
  item = { id: first!.id, name: first!.name };
  [ann, bob] = await Promise.all([Person.make('ann', 'administrator'), Person.make('bob', 'administrator')]);
  await inSync(one, other);
});
after(async () => {
  client?.kill('SIGKILL');
  await pair?.[Symbol.asyncDispose]();
  rmSync(home, { recursive: true, force: true });
});

const audit = () => readAudit(one.program.failover.store!, { limit: 100 });
const ofTest = () =>
  audit()
    .filter(({ code }) => code.startsWith('REHEARSAL_'))
    .map(({ code, actorName }) => `${code} ${actorName}`)
    .toReversed();
const isOpen = () => one.program.failover.guide.state?.state === 'open';
const untilSettled = () => waitUntil('it is settled', () => one.program.failover.guide.canBegin, LIMIT_MS);

test('only managers of the pair begin it, at either side, for people with accounts and clients that are there', async () => {
  const { guide } = one.program.failover;
  const chosen = { users: [ann.id], clients: [item.id] };
  const refused = (request: typeof chosen, code: string) => assert.rejects(guide.begin(ADA, request), { code });
  await refused({ ...chosen, users: [newId('user')] }, 'REHEARSAL_USER_UNKNOWN');
  await refused({ ...chosen, clients: [newId('jumpClient')] }, 'REHEARSAL_CLIENTS_UNABLE');
  const carl = await Person.make('carl', 'user');
  assert.equal((await carl.ask('POST', '/api/failover/rehearsal', chosen)).status, 404);
  assert.equal((await carl.ask('GET', '/api/failover/rehearsal/choices')).status, 404);
  // By the word of the backup nobody may do more than by their own.
  const asked = await guide.peerAsks({ kind: 'ask-begin', ...chosen, by: { id: carl.id, name: 'ann' } });
  assert.deepEqual([asked.ok, 'code' in asked && asked.code], [false, 'NOT_FOUND']);
  assert.equal((await guide.peerAsks({ kind: 'ask-end', by: { id: newId('user'), name: 'nobody' } })).ok, false);
  assert.deepEqual(ofTest(), []);

  const choices = await other.program.failover.guide.choices();
  assert.deepEqual(choices.clients, [{ ...item, online: true }]);
  assert.ok(choices.users.some(({ name }) => name === 'ann'));
  const atBackup = { actor: { kind: 'user', id: bob.id, name: 'bob' }, address: '' } as const;
  await other.program.failover.guide.begin(atBackup, chosen);
  await refused(chosen, 'REHEARSAL_RUNNING');
  // Prepared, and open for nobody yet: the same answer as when there is none.
  const early = await ann.enter();
  await waitUntil('it is open', isOpen, LIMIT_MS);
  const late = await bob.enter();
  const withoutId = ({ body }: Answer) => body.replace(/"requestId":"[^"]*"/, '');
  assert.deepEqual([early.status, late.status], [404, 404]);
  assert.equal(withoutId(early), withoutId(late));
  assert.equal(late.headers['set-cookie'], undefined);
  assert.deepEqual(ofTest(), ['REHEARSAL_BEGUN bob']);
});

test('the chosen person is in it with their own login and cookie alone, and out of it by leaving, by logging out, and by its end', async () => {
  assert.equal((await ann.header())?.place, 'offered');
  assert.equal(await bob.header(), undefined);
  assert.equal(await ann.isInside(), false);
  assert.equal((await ann.enter()).status, 200);
  assert.equal((await ann.header())?.place, 'inside');
  assert.equal(await ann.isInside(), true);
  bob.test = ann.test;
  assert.equal(await bob.isInside(), false, 'with a stolen cookie');
  assert.equal((await bob.ask('GET', '/api/failover')).headers['set-cookie']?.length, 1, 'which is taken away');
  bob.test = '';

  const leaving = await ann.ask('GET', LEAVE_REHEARSAL_PATH);
  assert.deepEqual([leaving.status, leaving.headers.location], [302, '/login']);
  assert.match(leaving.headers['set-cookie']?.[0] ?? '', /Max-Age=0/);
  assert.equal(await ann.isInside(), false, 'the cookie is worth nothing any more');

  await ann.enter();
  assert.equal((await ann.ask('POST', '/api/auth/logout', {})).status, 200);
  assert.equal((await ann.ask('GET', '/api/failover')).status, 401);
  const { accounts } = one.program.site!.parts;
  const again = await accounts.logins.withPassword('ann', 'correct horse battery', { address: ADDRESS, userAgent: '' });
  ann = new Person(ann.id, again.cookie, again.principal.csrf);
  await ann.enter();
  // Logged in since the copy was made: the copy does not know it, and asks for a login of its own.
  assert.equal((await ann.ask('GET', '/api/auth/me')).status, 401);
  const loggedIn = await ann.ask('POST', '/api/auth/login', { name: 'ann', password: 'correct horse battery' });
  assert.deepEqual([loggedIn.status, loggedIn.headers['set-cookie']], [200, undefined]);
  assert.equal(await ann.isInside(), true);

  const value = ann.test;
  await one.program.failover.guide.end(ADA);
  assert.equal(await ann.isInside(), false);
  await untilSettled();
  assert.equal((await ann.enter()).status, 404);
  assert.deepEqual(ofTest(), [
    'REHEARSAL_BEGUN bob',
    'REHEARSAL_ENTERED ann',
    'REHEARSAL_LEFT ann',
    'REHEARSAL_ENTERED ann',
    'REHEARSAL_ENTERED ann',
    'REHEARSAL_SESSION_HELD system',
    'REHEARSAL_ENDED ada',
  ]);
  assert.ok(!JSON.stringify(audit()).includes(value), 'the cookie is in no audit');
});

test('a restart of the primary ends it for everybody, and what it was is in the audit all the same', async () => {
  await one.program.failover.guide.begin(ADA, { users: [ann.id], clients: [item.id] });
  await waitUntil('it is open', isOpen, LIMIT_MS);
  await ann.enter();
  assert.equal(await ann.isInside(), true);
  await one.end();
  await one.begin();
  assert.equal(await ann.isInside(), false);
  await waitUntil('its end is in the audit', () => ofTest().at(-1) === 'REHEARSAL_ENDED system', LIMIT_MS);
  assert.equal(ofTest().filter((code) => code.startsWith('REHEARSAL_SESSION_HELD')).length, 2);
  await untilSettled();
  await waitUntil('the backup has ended it', () => other.program.failover.rehearsal.state.state !== 'open', LIMIT_MS);
});
