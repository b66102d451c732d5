import { deepStrictEqual, ok, rejects, strictEqual, throws } from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import { signStatement } from '@bascule/pair/epoch-statement.ts';
import type { LeaseTerms } from '@bascule/pair/lease-terms.ts';
import { WAIT_LIMIT_MS, waitUntil } from '@bascule/testkit/wait-until.ts';
import type { SignedStatement } from '@bascule/protocol/pair-link.ts';
import { WitnessProcess } from '../../../witness/src/testing.ts';
import type { WonLease } from './lease-messages.ts';
import { Lease, type LeaseConfig } from './lease.ts';
import { PairKey } from './pair-key.ts';
import type { FromChild, ToChild } from './test/lease-child.ts';
import { enrolAtWitness, readWitnessCode } from './witness-enrolment.ts';

const SITE = 'site-1';
const HISTORY = 'h-1';
const POSITION = { seq: 5, peerSeq: 5 };
/** Half of the real ones: the tests wait for ends of leases. */
const TERMS: LeaseTerms = { leaseMs: 1500, renewIntervalMs: 250, answerLimitMs: 600, aliveLimitMs: 900 };

const witness = new WitnessProcess();
const folder = mkdtempSync(join(tmpdir(), 'bascule-lease-'));
const identity = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const identityKeyPem = identity.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const identityKey = createPrivateKey(identityKeyPem);
const keys: PairKey[] = [];
const leases: Lease[] = [];
const children: ChildProcess[] = [];
let witnessKeySha256 = '';
/** Each test goes on where the one before it has ended: whoever holds the lease, in which epoch. */
let epoch = 1;

before(async () => {
  for (const name of ['a', 'b']) keys.push(await PairKey.open(join(folder, name)));
  await witness.command('init');
  await witness.start();
  const code = readWitnessCode((await witness.command('code')).output.trim());
  ({ witnessKeySha256 } = code);
  for (const key of keys) {
    const access = accessOf(key);
    await rejects(enrolAtWitness(access, { ...facts(), secret: 'x'.repeat(43) }), { code: 'WITNESS_CODE_REFUSED' });
    await enrolAtWitness(access, { ...facts(), secret: code.secret });
    await enrolAtWitness(access, { ...facts(), secret: '' });
  }
});
afterEach(() => {
  for (const lease of leases.splice(0)) lease.close();
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
after(async () => {
  await witness.remove();
  rmSync(folder, { recursive: true, force: true });
});

const facts = () => ({
  site: SITE,
  identityPem: identity.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  name: 'test',
});
const accessOf = (key: PairKey) => ({
  endpoint: { host: '127.0.0.1', port: witness.port },
  witnessKeySha256,
  keyPem: key.keyPem,
  certificatePem: key.certificatePem,
});

function statement(side: number, of: number): SignedStatement {
  const content = { history: HISTORY, epoch: of, holder: keys[side]!.sha256, holderName: 'test', predecessor: null, atMs: 0 };
  return signStatement(content, (bytes) => sign('sha256', bytes, identityKey));
}

function config(side: number, role: LeaseConfig['role']): LeaseConfig {
  const [self, peer] = [keys[side]!.sha256, keys[1 - side]!.sha256];
  const held = role === 'primary' ? { statement: statement(side, epoch), enabledBy: 'Ada' } : { statement: undefined };
  return { ...accessOf(keys[side]!), site: SITE, self, peer, role, history: HISTORY, epoch, ...held };
}

function open(side: number, role: LeaseConfig['role']): Lease {
  const lease = new Lease({
    sign: (of) => statement(side, of),
    position: () => POSITION,
    log: createLog('test', 'silent'),
    terms: TERMS,
  });
  leases.push(lease);
  lease.start(config(side, role));
  return lease;
}

const held = async (lease: Lease) => ok(await lease.whenHeld(WAIT_LIMIT_MS), 'the lease is held');
const won = (lease: Lease) => new Promise<WonLease>((resolve) => lease.onWon(resolve));
const recordedInSync = (lease: Lease) => waitUntil('the peer is on record as in sync', () => lease.state()?.peerInSync === true);

async function primaryChild(side: number): Promise<{ child: ChildProcess; says: FromChild[] }> {
  const child = fork(join(import.meta.dirname, 'test', 'lease-child.ts'), { serialization: 'json' });
  children.push(child);
  const says: FromChild[] = [];
  child.on('message', (message: FromChild) => says.push(message));
  child.send({ kind: 'start', order: { config: config(side, 'primary'), identityKeyPem, terms: TERMS } } satisfies ToChild);
  await waitUntil('the child holds the lease', () => says.some((said) => said.kind === 'held' && said.isHeld));
  return { child, says };
}

test('off: nothing needs a lease', async () => {
  const lease = new Lease({ sign: () => statement(0, 1), position: () => POSITION, log: createLog('test', 'silent') });
  lease.assertHeld();
  deepStrictEqual([lease.leftMs(), lease.state(), lease.isPeerRecordedBehind, lease.isOn], [null, null, true, false]);
  await lease.recordPeerBehind();
  strictEqual(await lease.claim(), undefined);
});

test('another witness than the one of the code is not spoken to', async () => {
  await rejects(enrolAtWitness({ ...accessOf(keys[0]!), witnessKeySha256: '0'.repeat(64) }, { ...facts(), secret: '' }), {
    code: 'WITNESS_OTHER_KEY',
  });
});

test('a primary holds the lease, tells who is in sync, and hands over in a planned swap', async (t) => {
  const one = open(0, 'primary');
  throws(() => one.assertHeld(), { code: 'FAILOVER_NO_LEASE' });
  await held(one);
  const startedAt = performance.now();
  for (let index = 0; index < 1000; index += 1) one.assertHeld();
  t.diagnostic(`a look at the lease: ${(performance.now() - startedAt).toFixed(2)} microseconds`);
  ok(one.isPeerRecordedBehind, 'the first lease says that nobody is in sync');
  one.setInSync(true);
  ok(!one.isPeerRecordedBehind);
  await recordedInSync(one);
  ok((one.leftMs() ?? Infinity) <= TERMS.leaseMs, 'a lease with an end');
  await one.recordPeerBehind();
  deepStrictEqual([one.isPeerRecordedBehind, one.leftMs()], [true, Infinity]);
  const other = open(1, 'standby');
  await waitUntil('the other is connected', () => other.state()?.state === 'connected');
  one.setInSync(true);
  await recordedInSync(one);
  await one.release({ peerInSync: true });
  throws(() => one.assertHeld(), { code: 'FAILOVER_NO_LEASE' });
  const swapped = await other.claim();
  epoch += 1;
  strictEqual(swapped?.epoch, epoch);
  other.assertHeld();
  other.setRole({ role: 'primary', history: HISTORY, epoch, statement: swapped?.statement });
  one.setRole({ role: 'standby', history: HISTORY, epoch, statement: undefined });
  other.assertHeld();
  // The other way, by a named person and although nobody is in sync.
  const lost = new Promise((resolve) => other.onLost(resolve));
  const forced = await one.claim({ forcedBy: 'Ada' });
  epoch += 1;
  deepStrictEqual([forced?.epoch, forced?.forcedBy], [epoch, 'Ada']);
  await lost;
  throws(() => other.assertHeld(), { code: 'FAILOVER_NO_LEASE' });
  one.setRole({ role: 'primary', history: HISTORY, epoch, statement: forced?.statement });
  one.assertHeld();
});

test('turned off, a primary first has it on record that nobody else may take over', async () => {
  const one = open(0, 'primary');
  await held(one);
  one.setInSync(true);
  await recordedInSync(one);
  const other = open(1, 'standby');
  one.stop();
  ok(one.isOn, 'not before the witness knows');
  await waitUntil('it is off', () => !one.isOn);
  one.assertHeld();
  await waitUntil('the other asks', () => other.state()?.state === 'connected');
  const record = await waitUntil('the record', () =>
    witness.command('status').then(({ output }) => /has everything: (.*)/.exec(output)?.[1]),
  );
  strictEqual(record, 'test');
});

test('turned off on both sides while the witness is away, neither needs the lease', async () => {
  const one = open(0, 'primary');
  await held(one);
  one.setInSync(true);
  await recordedInSync(one);
  const other = open(1, 'standby');
  one.overPairLink({ ask: (question) => other.peerAsks(question), answer: () => undefined });
  other.overPairLink({ ask: () => undefined, answer: (answer) => one.peerAnswers(answer) });
  await witness.end('SIGKILL');
  await waitUntil('it is known', () => one.state()?.state === 'unreachable');
  one.stop();
  ok(one.isOn);
  other.stop();
  ok(!other.isOn, 'a standby leaves at once');
  await waitUntil('it is off', () => !one.isOn);
  one.assertHeld();
  await witness.start();
});

test('a primary that is stopped is followed by its peer, and holds nothing when it goes on', async () => {
  const { child, says } = await primaryChild(0);
  const other = open(1, 'standby');
  await recordedInSync(other);
  child.kill('SIGSTOP');
  const { epoch: next } = await won(other);
  const tookOverAtMs = Date.now();
  strictEqual(next, epoch + 1);
  epoch = next;
  other.assertHeld();
  child.kill('SIGCONT');
  await waitUntil('it knows', () => says.some(({ kind }) => kind === 'lost'));
  strictEqual(
    says.some((said) => said.kind === 'held' && said.isHeld && said.sinceMs >= tookOverAtMs),
    false,
  );
});

test('a primary whose main loop hangs asks for nothing, and is followed', async () => {
  const { child, says } = await primaryChild(1);
  const other = open(0, 'standby');
  await recordedInSync(other);
  child.send({ kind: 'hang', ms: 60_000 } satisfies ToChild);
  const { epoch: next } = await won(other);
  epoch = next;
  strictEqual(
    says.some(({ kind }) => kind === 'lost'),
    false,
    'it hangs still',
  );
});

test('while the witness is away the peer lets the primary go on; without either it stops', async () => {
  const one = open(0, 'primary');
  const other = open(1, 'standby');
  let isJoined = true;
  one.overPairLink({
    ask: (question) => {
      deepStrictEqual(Object.keys(question), ['nonce', 'epoch', 'leaseMs']);
      if (isJoined) other.peerAsks(question);
    },
    answer: () => undefined,
  });
  other.overPairLink({
    ask: () => undefined,
    answer: (answer) => {
      deepStrictEqual(Object.keys(answer), ['nonce', 'isPromised']);
      if (isJoined) one.peerAnswers(answer);
    },
  });
  await held(one);
  one.setInSync(true);
  await recordedInSync(one);
  await witness.end('SIGKILL');
  await waitUntil('it is known', () => one.state()?.state === 'unreachable');
  const answeredAtMs = one.state()?.lastAnswerAtMs ?? 0;
  await waitUntil(
    'it holds for longer than its last lease',
    () => Date.now() - answeredAtMs > TERMS.leaseMs + 500 && (one.leftMs() ?? 0) > 0,
  );
  one.assertHeld();
  isJoined = false;
  await rejects(one.recordPeerBehind(), { code: 'FAILOVER_NOT_RECORDED' });
  await waitUntil('it stops', () => one.leftMs() === 0);
  throws(() => one.assertHeld(), { code: 'FAILOVER_NO_LEASE' });
  await witness.start();
  await held(one);
});
