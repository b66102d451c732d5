/** The programs of a site, switched under a live session, with the test as base (I1, I2, I4). */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { readFacts } from '@bascule/recording/reader.ts';
import { launchJumpClient, type LaunchedJumpClient } from '@bascule/testkit/launch-jump-client.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { ViewerClient } from '@bascule/wire/viewer-client.ts';
import { dataOf } from '../relay/testing.ts';
import { SiteStage } from './testing.ts';
import { VERIFICATION_USER } from './test-session.ts';

const checkout = join(import.meta.dirname, '..', '..', '..', '..');
const KEY_EVERY_MS = 5;

let stage: SiteStage;
let client: LaunchedJumpClient;
let item: string;

interface ListedSession {
  id: string;
  userName: string;
  state: string;
  endReason: string | null;
}

before(async () => {
  stage = new SiteStage();
  const url = await stage.listen();
  const password = await stage.serve();
  await stage.takeOver(password!);
  const { token } = await stage.active!.main.ask({ kind: 'local-client-token', nonce: 1 }, 'local-client-token');
  client = launchJumpClient({
    name: 'here',
    token: token!,
    url,
    home: join(stage.home, 'client'),
    node: process.execPath,
    main: join(checkout, 'apps', 'jump-client', 'src', 'main.ts'),
  });
  item = await waitUntil('the Jump Client is online', async () => {
    const { json } = await stage.http('GET', '/api/jump/items');
    return (json['items'] as { id: string; online: boolean }[]).find((each) => each.online)?.id;
  });
});
after(async () => {
  await client.stop();
  await stage.close();
});

/** Somebody who types numbers without a pause into a shell that gives back each byte. */
class Typist {
  readonly session: string;
  readonly viewer: ViewerClient;
  readonly screens: string[] = [];
  seen = Buffer.alloc(0);
  typed = '';
  /** When the last key came back, and the longest wait between two that did. */
  longestGapMs = 0;
  #echoAtMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(session: string) {
    this.session = session;
    this.viewer = new ViewerClient({
      size: { cols: 80, rows: 24 },
      open: () => stage.openStream(),
      getTicket: async () => {
        const { status, json } = await stage.http('POST', `/api/access-sessions/${session}/attach`);
        if (status !== 200) throw new Error(`attach: ${status} ${JSON.stringify(json)}`);
        return String(json['ticket']);
      },
      onScreen: ({ text }, shown) => (this.screens.push(text), shown()),
      onOutput: (bytes, shown) => {
        const nowMs = performance.now();
        if (this.#echoAtMs > 0) this.longestGapMs = Math.max(this.longestGapMs, nowMs - this.#echoAtMs);
        this.#echoAtMs = nowMs;
        this.seen = Buffer.concat([this.seen, bytes]);
        shown();
      },
    });
    this.viewer.connect();
  }

  async begin(): Promise<void> {
    await waitUntil('the viewer is live', () => this.viewer.status === 'live');
    this.viewer.send(Buffer.from(`stty raw -echo; echo rea''dy; exec cat\r`));
    await waitUntil('the shell gives back what is typed', () => this.seen.includes('ready\n'));
    this.seen = Buffer.alloc(0);
    this.#timer = setInterval(() => this.#type(), KEY_EVERY_MS);
  }

  end(): void {
    clearInterval(this.#timer);
    this.viewer.close();
  }

  async pause(): Promise<void> {
    clearInterval(this.#timer);
    await waitUntil('everything typed has come back', () => this.seen.length >= this.typed.length);
  }

  #type(): void {
    const key = `${this.typed.length};`;
    if (this.viewer.send(Buffer.from(key))) this.typed += key;
  }
}

async function openSession(): Promise<string> {
  const { status, json } = await stage.http('POST', '/api/access-sessions', { jumpItemId: item, size: { cols: 80, rows: 24 } });
  assert.equal(status, 200, JSON.stringify(json));
  return String(json['session']);
}

async function listed(id: string): Promise<ListedSession | undefined> {
  const { json } = await stage.http('GET', '/api/reports/access-sessions?limit=50');
  return (json['sessions'] as ListedSession[]).find((session) => session.id === id);
}

test(
  'a live session goes on through a switch, and back again: every key once and in order, the recording whole',
  { timeout: 60_000 },
  async (t) => {
    const session = await openSession();
    const typist = new Typist(session);
    const polls: number[] = [];
    let polling = true;
    // Also of a test that fails: whoever goes on typing and asking keeps the file from ending.
    t.after(() => {
      polling = false;
      typist.end();
    });
    await typist.begin();
    const poller = (async () => {
      while (polling) {
        polls.push((await stage.http('GET', '/api/auth/me')).status);
        await delay(5);
      }
    })();
    for (const way of ['there', 'back']) {
      await delay(300);
      typist.longestGapMs = 0;
      const times = await stage.switchOver();
      const typedBefore = typist.typed.length;
      await waitUntil('keys typed after the switch come back', () => typist.seen.length > typedBefore);
      t.diagnostic(
        `${way}: keystroke gap ${Math.round(typist.longestGapMs)} ms; site away ${times.held} ms (stop ${times.stop}, activate ${times.activate}); prepared in ${times.prepare} ms`,
      );
    }
    await typist.pause();
    polling = false;
    await poller;
    assert.equal(typist.seen.toString(), typist.typed, 'the viewer saw every key once, in order');
    assert.deepEqual(typist.screens, [], 'the viewer went on with bytes, not with a new screen');
    assert.deepEqual(new Set(polls), new Set([200]), 'no request was refused or failed');
    typist.viewer.close();
    await stage.http('POST', `/api/access-sessions/${session}/end`);
    await waitUntil('the session has ended', async () => (await listed(session))?.state === 'ended');
    const file = join(stage.paths.recordings, `${session}.bsr`);
    assert.ok((await dataOf(file)).includes(typist.typed), 'the recording has every key');
    assert.ok((await readFacts(file))?.end);
  },
);

test('the system opens a session of its own, sees its answer, and leaves it in the reports', { timeout: 30_000 }, async () => {
  const { main } = stage.active!;
  const done = await main.ask({ kind: 'test-session', nonce: 3 }, 'test-session');
  assert.deepEqual([done.outcome, done.error, done.item], ['passed', undefined, 'here']);
  const row = await waitUntil('it has ended', async () => {
    const found = await listed(done.session!);
    return found?.state === 'ended' ? found : undefined;
  });
  assert.deepEqual([row.userName, row.endReason], [VERIFICATION_USER.name, 'ended-by-user']);
  assert.ok((await readFacts(join(stage.paths.recordings, `${done.session}.bsr`)))?.end);
});

test(
  'base asks before it changes anything: integrity, size, who is there; and gets a snapshot',
  { timeout: 30_000 },
  async () => {
    const { main } = stage.active!;
    const session = await openSession();
    const told = await main.ask({ kind: 'preflight', nonce: 4 }, 'preflight');
    assert.deepEqual([told.error, told.integrityProblems, told.clientsOnline], [undefined, [], 1]);
    assert.ok(told.databaseBytes > 10_000);
    assert.deepEqual(
      told.sessions.map(({ session: id, user, item: name }) => [id, user, name]),
      [[session, 'admin', 'here']],
    );
    const target = join(stage.home, 'snapshot.db');
    const taken = await main.ask({ kind: 'snapshot', nonce: 5, target }, 'snapshot-taken');
    assert.ok((taken.bytes ?? 0) > 10_000);
    const again = await main.ask({ kind: 'snapshot', nonce: 6, target }, 'snapshot-taken');
    assert.ok(again.error);
  },
);
