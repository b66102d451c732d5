/** A test of the standby at the backup, with the program of the scratch copy and a real Jump Client: what serves, what is kept, and how it ends (B133). */
import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import { newId } from '@bascule/core/ids.ts';
import { sha256OfFile } from '@bascule/package-format/file-hash.ts';
import {
  REHEARSAL_TUNNEL_PATH,
  REHEARSAL_TUNNEL_PROTOCOL,
  rehearsalAnswer,
  type RehearsalOrder,
  type RehearsalReport,
} from '@bascule/protocol/rehearsal.ts';
import { readAudit } from '@bascule/store/audit.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { preambleOf } from '@bascule/wire/preamble.ts';
import { archives } from '../pair-store.ts';
import { keepAndErase } from './rehearsal-keeping.ts';
import { readRehearsal } from './rehearsal-records.ts';
import { ADA, inSync, startPair, type TestAppliance } from '../testing.ts';

const CLIENT_MAIN = join(import.meta.dirname, '..', '..', '..', '..', 'jump-client', 'src', 'main.ts');
const LIMIT_MS = 60_000;
const LIFE_MS = 600_000;
const SOMEBODY = { id: newId('user'), name: 'ada' };

let pair: Awaited<ReturnType<typeof startPair>>;
let one: TestAppliance;
let other: TestAppliance;
let client: ChildProcess;
let chosen: { id: string; name: string };
const home = mkdtempSync(join(tmpdir(), 'bascule-client-'));
/** What the client said of its second link, newest last. */
const said: { connected: boolean; reason?: string | undefined }[] = [];

before(async () => {
  pair = await startPair();
  ({ one, other } = pair);
  const { jump } = one.program.site!.parts;
  jump.onClientMessage((_client, message) => {
    if (message.kind === 'rehearsal-link') said.push(message);
  });
  const token = jump.tokens.create(ADA, { name: 'test', uses: 1, approveEach: false, validForMs: 3_600_000, groupId: null }).text;
  client = spawn(process.execPath, [CLIENT_MAIN, '--site', `https://127.0.0.1:${one.endpoint.port}`, '--home', home], {
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      BASCULE_SHELL: '/bin/sh',
      BASCULE_LOG_LEVEL: 'silent',
      BASCULE_TOKEN: token,
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await waitUntil('the client is there', () => jump.counts().online === 1, LIMIT_MS);
  const [item] = jump.items(undefined, () => true).items;
  chosen = { id: item!.id, name: item!.name };
  await inSync(one, other);
});
after(async () => {
  client?.kill('SIGKILL');
  await pair?.[Symbol.asyncDispose]();
  rmSync(home, { recursive: true, force: true });
});

/** As the primary asks, over the pair link. */
async function ask(order: RehearsalOrder): Promise<RehearsalReport> {
  const { body } = await one.pair.parts.dial.request('POST', '/rehearsal', order);
  const answer = rehearsalAnswer.parse(body);
  assert.ok(answer.ok, JSON.stringify(answer));
  return answer.report!;
}

async function order(clients: { id: string; name: string }[]): Promise<string> {
  const rehearsal = randomBytes(16).toString('hex');
  const names = { publicHost: 'bascule.example', publicPort: 8443, hosts: ['localhost'] };
  await ask({ kind: 'begin', rehearsal, users: [SOMEBODY], clients, lifeMs: LIFE_MS, names, by: 'ada' });
  return rehearsal;
}

async function begin(clients = [chosen]): Promise<string> {
  const rehearsal = await order(clients);
  await until(rehearsal, ({ state }) => state === 'open');
  return rehearsal;
}

async function until(rehearsal: string, wanted: (report: RehearsalReport) => boolean): Promise<RehearsalReport> {
  let last: RehearsalReport | undefined;
  return await waitUntil(
    'the test is as wanted',
    async () => {
      last = await ask({ kind: 'look', rehearsal, steps: [] });
      return wanted(last) ? last : undefined;
    },
    LIMIT_MS,
  ).catch((error: unknown) => assert.fail(`${String(error)}: ${JSON.stringify(last)}`));
}

const isOver = ({ state }: RehearsalReport) => state === 'closed' || state === 'failed';

function tellClient(rehearsal: string): void {
  const { jump } = one.program.site!.parts;
  assert.ok(jump.rehearse(chosen.id, { kind: 'rehearse', rehearsal, ...other.endpoint, lifeMs: LIFE_MS }));
}

/** A person's request, as the primary carries it. */
async function asPerson(rehearsal: string, method: string, path: string, body?: unknown) {
  const url = `${REHEARSAL_TUNNEL_PATH}?rehearsal=${rehearsal}&to=main`;
  const socket = await one.pair.parts.dial.tunnel(url, REHEARSAL_TUNNEL_PROTOCOL);
  socket.write(preambleOf({ address: '192.0.2.9', port: 4711 }));
  const headers = { host: 'bascule.example:8443', origin: 'https://bascule.example:8443', 'content-type': 'application/json' };
  const sent = request({ createConnection: () => socket, method, path, headers });
  sent.end(body === undefined ? undefined : JSON.stringify(body));
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    sent.once('response', resolve);
    sent.once('error', reject);
  });
  response.resume();
  return response.statusCode;
}

/** The program of the scratch copy; undefined when there is none. */
function programPid(): number | undefined {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const found = pids.find((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`"siteDir":"${other.config.paths.rehearsal}"`);
    } catch {
      return false;
    }
  });
  return found === undefined ? undefined : Number(found);
}

const auditCodes = () => readAudit(other.pair.parts.records.store, { limit: 100 }).map(({ code }) => code);

test('a chosen client gets a recorded session in the scratch copy, a person their login; what is kept is in the archive, the rest is gone', async () => {
  const before = one.program.failover.store!.head().seq;
  const rehearsal = await begin();
  tellClient(rehearsal);
  await until(rehearsal, ({ clients }) => clients.every(({ connected }) => connected));
  await ask({ kind: 'test-session', rehearsal });
  const { steps } = await until(rehearsal, (report) =>
    report.steps.some(({ code, outcome }) => code === 'session' && outcome !== 'running'),
  );
  assert.deepEqual(
    steps.map(({ code, outcome }) => `${code} ${outcome}`),
    ['copy passed', 'open passed', 'session passed'],
    JSON.stringify(steps),
  );
  const login = { name: 'admin', password: one.program.firstPassword };
  assert.equal(await asPerson(rehearsal, 'POST', '/api/auth/login', login), 200);
  await assert.rejects(asPerson(randomBytes(16).toString('hex'), 'GET', '/login'), /tunnel/);

  const ended = await ask({ kind: 'end', rehearsal, by: 'ada' });
  assert.ok(ended.state === 'ending' || isOver(ended));
  await assert.rejects(asPerson(rehearsal, 'GET', '/login'), /tunnel/);
  const { sessions, archive, state, reason } = await until(rehearsal, isOver);
  assert.deepEqual([state, reason], ['closed', 'It was ended by ada.']);
  assert.equal(sessions.length, 1);
  const [held] = sessions;
  assert.deepEqual([held?.item, held?.endedAtMs === null], [chosen.name, false]);
  const [listed] = archives(other.pair.parts.records.store);
  assert.deepEqual([listed?.id, listed?.reason], [archive, 'rehearsal']);
  const folder = readdirSync(other.config.paths.archive).find((name) => name.endsWith('-rehearsal')) ?? '';
  const kept = join(other.config.paths.archive, folder);
  assert.deepEqual(readdirSync(kept).toSorted(), ['about.json', 'audit.jsonl', 'recordings']);
  assert.equal(await sha256OfFile(join(kept, 'recordings', `${held?.session}.bsr`)), held?.recordingSha256);
  const audit = readFileSync(join(kept, 'audit.jsonl'), 'utf8');
  for (const code of ['REHEARSAL_OPENED', 'ACCESS_SESSION_ENDED', 'LOGGED_IN']) assert.match(audit, new RegExp(code), code);
  for (const file of ['audit.jsonl', join('recordings', `${held?.session}.bsr`)]) {
    const verified = spawnSync(process.execPath, [other.config.verifyTool, join(kept, file)], { encoding: 'utf8' });
    assert.equal(verified.status, 0, verified.stdout + verified.stderr);
  }
  assert.equal(existsSync(other.config.paths.rehearsal), false);
  assert.equal(programPid(), undefined);
  for (const code of ['REHEARSAL_COPY_MADE', 'REHEARSAL_COPY_SERVES', 'REHEARSAL_COPY_SESSION', 'REHEARSAL_COPY_ENDED'])
    assert.ok(auditCodes().includes(code), code);
  await waitUntil('the client has closed its second link', () => said.at(-1)?.connected === false, LIMIT_MS);
  // Nothing of it came to the site itself.
  const { events } = one.program.failover.store!.changesSince(before);
  assert.doesNotMatch(JSON.stringify(events), /access session|logged in/i);
  await inSync(one, other);
});

test('a client that was not chosen is not let in; a test that the primary does not look after ends by itself', async () => {
  const rehearsal = await begin([{ id: newId('jumpClient'), name: 'another' }]);
  said.length = 0;
  tellClient(rehearsal);
  const refused = await waitUntil('the client is refused', () => said.find(({ connected }) => !connected), LIMIT_MS);
  assert.match(refused.reason ?? '', /other Jump Clients/);
  await waitUntil('it has ended', () => other.program.failover.rehearsal.state.state === 'closed', LIMIT_MS);
  const { reason } = await until(rehearsal, isOver);
  assert.match(reason ?? '', /does not look/);
});

test('the program of the scratch copy dies: the test has failed, and says why; the standby follows as ever', async () => {
  const rehearsal = await begin();
  process.kill(programPid()!, 'SIGKILL');
  const { state, reason, archive } = await until(rehearsal, isOver);
  assert.equal(state, 'failed');
  assert.match(reason ?? '', /ended by itself \(SIGKILL\)/);
  assert.notEqual(archive, null);
  assert.ok(other.pair.alarms.codes.includes('rehearsal-failed'));
  assert.equal(existsSync(other.config.paths.rehearsal), false);
  await inSync(one, other);
});

test('the standby is started anew in the middle: what was held is kept then, and the primary hears of it', async () => {
  const rehearsal = await begin();
  await other.end();
  assert.equal(programPid(), undefined);
  assert.equal(existsSync(other.config.paths.rehearsal), true);
  await other.begin();
  await waitUntil(
    'the two see each other',
    () => one.pair.parts.watch.isReachable && other.pair.parts.watch.isReachable,
    LIMIT_MS,
  );
  const { state, reason, archive } = await until(rehearsal, isOver);
  assert.deepEqual([state, reason], ['closed', 'The standby was started again.']);
  assert.ok(archives(other.pair.parts.records.store).some(({ id }) => id === archive));
  assert.equal(existsSync(other.config.paths.rehearsal), false);
  await inSync(one, other);
});

test('one that is ended before it is open leaves nothing, and the next may begin at once', async () => {
  const rehearsal = await order([chosen]);
  const { state } = await ask({ kind: 'end', rehearsal, by: 'ada' });
  assert.ok(state === 'ending' || state === 'closed', state);
  const next = await order([chosen]);
  await ask({ kind: 'end', rehearsal: next, by: 'ada' });
  assert.equal((await until(next, isOver)).state, 'closed');
  assert.equal(existsSync(other.config.paths.rehearsal), false);
});

test("a copy that was damaged is kept as it is, and stands in nobody's way", async () => {
  const { parts } = other.pair;
  const { rehearsal: scratch, generation } = other.config.paths;
  mkdirSync(join(scratch, 'keys'), { recursive: true });
  writeFileSync(join(scratch, 'keys', 'site.key'), 'a copy of a key');
  writeFileSync(join(scratch, 'site.db'), 'no database any more');
  copyFileSync(generation, join(scratch, 'generation'));
  const record = readRehearsal(parts.records.store)!;
  const left = { ...record, rehearsal: randomBytes(16).toString('hex'), state: 'ending', folder: null } as const;
  const { folder, sessions } = await keepAndErase(parts, left);
  assert.deepEqual([readFileSync(join(folder!, 'site.db'), 'utf8'), sessions], ['no database any more', []]);
  assert.equal(existsSync(join(folder!, 'keys')), false);
  assert.equal(existsSync(scratch), false);
});

test('the standby takes over in the middle: the test is ended first, at once', async () => {
  await begin();
  const pid = programPid()!;
  await other.pair.roles.becomePrimary(ADA, { pullFirst: true });
  assert.equal(other.role, 'primary');
  assert.throws(() => process.kill(pid, 0), 'its program is gone');
  await waitUntil('everything is kept and erased', () => !existsSync(other.config.paths.rehearsal), LIMIT_MS);
  const kept = archives(other.pair.parts.records.store).filter(({ reason }) => reason === 'rehearsal');
  const folders = readdirSync(other.config.paths.archive).filter((name) => basename(name).includes('rehearsal'));
  assert.equal(kept.length, folders.length);
});
