import { deepStrictEqual, match, ok, rejects, strictEqual } from 'node:assert/strict';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { holderSpanMs } from '@bascule/pair/lease-terms.ts';
import { SeededRandom } from '@bascule/testkit/seeded-random.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import type { FromWitness } from '@bascule/protocol/witness-link.ts';
import { newIdentity, newPairKey, statementFor, WitnessClient, WitnessProcess } from './testing.ts';
import type { WitnessKey } from './witness-key.ts';

const SITE = 'site-1';
const LEASE_MS = 500;
const KILLS = 2;
/** Outlasts a start of the witness, so that one that forgot would be found out. */
const KILLED_LEASE_MS = 1_200;

const witness = new WitnessProcess();
const identity = newIdentity();
let one: WitnessKey;
let other: WitnessKey;
let stranger: WitnessKey;
const random = new SeededRandom();

const codeOf = (output: string) => /bw1\.\S+/.exec(output)?.[0] ?? '';
const secretOf = (code: string) => code.split('.')[2] ?? '';

before(async () => {
  [one, other, stranger] = (await Promise.all([newPairKey(), newPairKey(), newPairKey()])) as [
    WitnessKey,
    WitnessKey,
    WitnessKey,
  ];
  strictEqual((await witness.command('init')).code, 0);
  await witness.start();
});
after(() => witness.remove());

async function enrol(key: WitnessKey, secret: string, site = SITE): Promise<string | undefined> {
  const client = await WitnessClient.connect(witness.port, key);
  const answer = await client.ask({ kind: 'enrol', secret, site, identity: identity.pem, name: key === one ? 'A' : 'B' });
  client.close();
  return answer?.outcome;
}

function lease(
  key: WitnessKey,
  epoch: number,
  more: { peerInSync?: boolean; leaseMs?: number; seq?: number; forcedBy?: string } = {},
) {
  const { peerInSync = true, leaseMs = LEASE_MS, seq = 10, forcedBy } = more;
  const statement = statementFor(key.sha256, epoch, identity.key);
  const peer = key === one ? other.sha256 : one.sha256;
  const facts = {
    kind: 'lease',
    site: SITE,
    history: 'h',
    epoch,
    statement,
    leaseMs,
    peerInSync,
    peer,
    seq,
    peerSeq: seq,
  } as const;
  return forcedBy === undefined ? facts : { ...facts, forcedBy };
}

async function askOnce(key: WitnessKey, message: Parameters<WitnessClient['ask']>[0]): Promise<FromWitness | undefined> {
  const client = await WitnessClient.connect(witness.port, key);
  const answer = await client.ask(message);
  client.close();
  return answer;
}

test('keys count after a code of their site alone', async () => {
  const first = codeOf((await witness.command('code')).output);
  match(first, /^bw1\.[0-9a-f]{64}\.[\w-]{43}$/);
  strictEqual((await askOnce(one, { kind: 'ask', site: SITE }))?.outcome, 'not-enrolled');
  strictEqual(await enrol(one, 'x'.repeat(43)), 'not-enrolled');
  strictEqual(await enrol(one, secretOf(first)), 'answer');
  strictEqual(
    await enrol(stranger, secretOf(first), 'another-site'),
    'not-enrolled',
    'a code belongs to the first site that uses it',
  );
  strictEqual(await enrol(other, secretOf(first)), 'answer');
  strictEqual(await enrol(stranger, ''), 'not-enrolled', 'a second key without a code');
  strictEqual(await enrol(one, ''), 'answer', 'a key that counts says its name anew');
  strictEqual((await askOnce(stranger, { kind: 'ask', site: SITE }))?.outcome, 'not-enrolled');
  const answer = await askOnce(one, { kind: 'ask', site: SITE });
  deepStrictEqual([answer?.outcome, answer?.record], ['answer', null]);
});

test('a statement that the site identity did not sign, or of somebody else, gets nothing', async () => {
  const forged = statementFor(one.sha256, 1, newIdentity().key);
  strictEqual((await askOnce(one, { ...lease(one, 1), statement: forged }))?.outcome, 'malformed');
  const stolen = statementFor(other.sha256, 1, identity.key);
  strictEqual((await askOnce(one, { ...lease(one, 1), statement: stolen }))?.outcome, 'malformed');
});

test('one holder; the other after the end, if it is in sync; a person can overrule that', async () => {
  strictEqual((await askOnce(one, lease(one, 1)))?.outcome, 'granted');
  strictEqual((await askOnce(other, lease(other, 2)))?.outcome, 'held-by-other');
  strictEqual((await askOnce(other, lease(other, 1)))?.outcome, 'epoch-behind');
  const answer = await askOnce(other, { kind: 'ask', site: SITE });
  deepStrictEqual([answer?.record?.holder, answer?.record?.inSync], [one.sha256, [one.sha256, other.sha256]]);
  await delay((answer?.record?.leftMs ?? 0) + 20);
  strictEqual((await askOnce(other, lease(other, 2, { seq: 9 })))?.outcome, 'out-of-sync', 'it has less than what is on record');
  strictEqual((await askOnce(other, lease(other, 2, { peerInSync: false })))?.outcome, 'granted');
  strictEqual((await askOnce(one, lease(one, 1)))?.outcome, 'epoch-behind');
  await delay(LEASE_MS * 1.2);
  strictEqual((await askOnce(one, lease(one, 3)))?.outcome, 'out-of-sync', 'the holder is on record as alone');
  strictEqual((await askOnce(one, lease(one, 3, { forcedBy: 'Ada' })))?.outcome, 'granted');
});

test('killed at the moment of a grant, it never grants to another before the end', async (t) => {
  t.diagnostic(`BASCULE_SEED=${random.seed}`);
  let holder = one;
  let epoch = 3;
  for (let round = 0; round < KILLS; round += 1) {
    const rival = holder === one ? other : one;
    // The holder renews (which changes the record in every round), or the rival takes over after the end; then SIGKILL, before, while or after it is written.
    const isTakeover = round % 2 === 1;
    const asker = isTakeover ? rival : holder;
    if (isTakeover) {
      const left = (await askOnce(rival, { kind: 'ask', site: SITE }))?.record?.leftMs ?? 0;
      await delay(left + 20);
    }
    const client = await WitnessClient.connect(witness.port, asker);
    await client.ask({ kind: 'ask', site: SITE });
    const sentAt = performance.now();
    const answered = client.ask(
      lease(asker, isTakeover ? epoch + 1 : epoch, { leaseMs: KILLED_LEASE_MS + round, forcedBy: 'Ada' }),
    );
    await delay(random.next() * 4);
    await witness.end('SIGKILL');
    const answer = await answered;
    client.close();
    await witness.start();
    const record = (await askOnce(one, { kind: 'ask', site: SITE }))?.record;
    if (answer?.outcome === 'granted') strictEqual(record?.holder, asker.sha256, 'what was answered is on record');
    if (isTakeover && record?.holder === asker.sha256) {
      holder = asker;
      epoch += 1;
    }
    const loser = holder === one ? other : one;
    const granted = await waitUntil('the rival gets the lease', async () => {
      const reply = await askOnce(loser, lease(loser, epoch + 1, { forcedBy: 'Ada' }));
      return reply?.outcome === 'granted' && performance.now();
    });
    if (answer?.outcome === 'granted' && asker === holder)
      ok(granted - sentAt >= holderSpanMs(KILLED_LEASE_MS), `another got it after ${granted - sentAt} ms`);
    holder = loser;
    epoch += 1;
  }
});

test('a newer connection of a key ends the older one, and nothing of it counts any more', async () => {
  const older = await WitnessClient.connect(witness.port, one);
  await older.ask({ kind: 'ask', site: SITE });
  const newer = await WitnessClient.connect(witness.port, one);
  await newer.ask({ kind: 'ask', site: SITE });
  await older.isClosed;
  strictEqual(await older.ask({ kind: 'ask', site: SITE }), undefined);
  newer.close();
});

test('lines that are malformed, too long or too many end the connection, and nothing else', async () => {
  for (const line of [
    'nonsense\n',
    '{"kind":"lease","nonce":1}\n',
    `${'x'.repeat(10_000)}`,
    `{"kind":"ask","nonce":1,"site":"${'x'.repeat(65)}"}\n`,
  ]) {
    const client = await WitnessClient.connect(witness.port, one);
    client.socket.write(line);
    await client.isClosed;
  }
  const client = await WitnessClient.connect(witness.port, one);
  const answers = await Promise.all(Array.from({ length: 100 }, () => client.ask({ kind: 'ask', site: SITE })));
  ok(answers.includes(undefined), 'it is cut off');
  strictEqual((await askOnce(one, { kind: 'ask', site: SITE }))?.outcome, 'answer');
});

test('who shows no key, or speaks another protocol, is turned away', async () => {
  const nameless = await WitnessClient.connect(witness.port, undefined);
  await nameless.isClosed;
  await rejects(WitnessClient.connect(witness.port, one, { maxVersion: 'TLSv1.2' }));
  await rejects(async () => {
    const client = await WitnessClient.connect(witness.port, one, { ALPNProtocols: ['http/1.1'] });
    await client.isClosed;
    throw new Error('closed');
  });
});

test('what cannot be written is not answered, and holds again when it can', async () => {
  const sites = join(witness.state, 'sites');
  const left = (await askOnce(one, { kind: 'ask', site: SITE }))?.record?.leftMs ?? 0;
  await delay(left + 20);
  renameSync(sites, `${sites}.away`);
  writeFileSync(sites, 'no folder');
  const before = (await askOnce(one, { kind: 'ask', site: SITE }))?.record;
  const rival = before?.holder === one.sha256 ? other : one;
  const epoch = (before?.epoch ?? 0) + 1;
  strictEqual(await askOnce(rival, lease(rival, epoch, { forcedBy: 'Ada' })), undefined);
  strictEqual((await askOnce(one, { kind: 'ask', site: SITE }))?.record?.epoch, before?.epoch, 'nothing has changed');
  rmSync(sites);
  renameSync(`${sites}.away`, sites);
  strictEqual((await askOnce(rival, lease(rival, epoch, { forcedBy: 'Ada' })))?.outcome, 'granted');
});

test('one program for one folder: a second is refused, or ends the first', async () => {
  const refused = await witness.command('run', '--port', '0');
  deepStrictEqual([refused.code, /runs with .* already/.test(refused.output)], [1, true]);
  match((await witness.command('status')).output, /it runs[^]*Site site-1[^]*held by [AB]/);
  writeFileSync(join(witness.state, 'run'), 'another process took it over');
  strictEqual(await askOnce(one, { kind: 'ask', site: SITE }), undefined);
  await waitUntil('it ends by itself', () => typeof witness.exitCode === 'number');
});

test('an appliance is forgotten by the command line, while the witness stands', async () => {
  strictEqual((await witness.command('forget', '--site', SITE, '--key', other.sha256)).code, 0);
  await witness.start();
  strictEqual((await askOnce(other, { kind: 'ask', site: SITE }))?.outcome, 'not-enrolled');
  strictEqual((await askOnce(one, { kind: 'ask', site: SITE }))?.outcome, 'answer');
  await witness.end('SIGTERM');
  strictEqual(witness.exitCode, 0);
});
