/**
 * A pair with automatic failover under its shared address, on machines of its own: its primary swapped, killed, hung, cut off, cut off in one direction; its witness gone, and everybody gone. Each
 * time one side is primary and has the address alone, and the one session that is typed into all the time, from a further machine, goes on whole (I1, I2, I4, I5; B139-B141).
 */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { jumpGroups } from '@bascule/protocol/api/jump.ts';
import { ApiClient } from '@bascule/testkit/api-client.ts';
import { NetworkPair, SHARED_ADDRESS, whyNoNetworkPair } from '@bascule/testkit/network-pair.ts';
import { powerOn } from '@bascule/testkit/pair-faults.ts';
import { PAIR_LIMIT_MS, type PairSide } from '@bascule/testkit/pair-scene.ts';
import { TypingSession } from '@bascule/testkit/typing-session.ts';
import { SITE_PASSWORD } from '@bascule/testkit/upgrade-scene.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';

const KEYS_IN_BETWEEN = 20;
/** Longer than a lease, as long as a machine that is busy may need to notice. */
const LONGER_THAN_A_LEASE_MS = 5_000;

describe('a pair under its shared address', { skip: whyNoNetworkPair() ?? false, concurrency: false }, () => {
  let scene: NetworkPair;
  let a: PairSide;
  let b: PairSide;
  let person: ApiClient;
  let typing: TypingSession;
  const acknowledged: string[] = [];

  before(async () => {
    scene = await NetworkPair.start();
    ({ a, b } = scene.pair);
    await scene.pair.establish();
    await scene.shareAddress();
    await scene.useWitness();
    await a.appliance.startJumpClient({ name: 'far', url: scene.url, onMachine: scene.onMachine('c') });
    person = await scene.client();
    typing = await TypingSession.start(person, await person.onlineItem('far'));
  });
  after(async () => {
    typing?.[Symbol.dispose]();
    await scene?.[Symbol.asyncDispose]();
  });

  /** Through the shared address, again and again until it is answered for. */
  async function changeThere(): Promise<void> {
    const name = `change-${acknowledged.length}`;
    await waitUntil('a change is taken', () => created(person, name), PAIR_LIMIT_MS);
    acknowledged.push(name);
  }

  /** `to` is primary and alone has the address; the session goes on, and what was answered for is there, on both where both can be reached. */
  async function isServedBy(to: PairSide, t: TestContext): Promise<void> {
    await to.until('is primary', ({ self }) => self.role === 'primary');
    await scene.untilAddressIsAt(to.name);
    const wanted = typing.typedBytes + KEYS_IN_BETWEEN;
    await waitUntil('keys arrive again', () => typing.typedBytes >= wanted && typing.unconfirmedBytes === 0, PAIR_LIMIT_MS);
    t.diagnostic(`longest time from a key to its echo: ${Math.round(typing.takeLongestGapMs())} ms`);
    await changeThere();
    const there = new Set((await person.call('GET', 'jump/groups', jumpGroups)).groups.map(({ name }) => name));
    assert.deepEqual(
      acknowledged.filter((name) => !there.has(name)),
      [],
    );
  }

  /** The former primary follows of its own accord, and both are ready for the next. */
  async function follows(backup: PairSide): Promise<void> {
    const primary = scene.pair.other(backup);
    await backup.until('is the backup', ({ self }) => self.role === 'backup');
    await primary.until('its backup is the witness’ second', ({ witness }) => witness?.peerInSync === true);
    await scene.pair.caughtUp(primary);
    const states = await Promise.all(scene.pair.sides.map((side) => side.state()));
    assert.deepEqual(
      states.map(({ conflict }) => conflict),
      [null, null],
    );
    typing.takeLongestGapMs();
  }

  it('a planned swap', async (t) => {
    await changeThere();
    assert.equal((await scene.pair.swap()).name, 'b');
    await isServedBy(b, t);
    await follows(a);
  });

  it('the primary is killed: the other takes over, and it comes back as the backup', async (t) => {
    await b.appliance.die();
    await isServedBy(a, t);
    await powerOn(b.appliance);
    await follows(b);
  });

  it('the primary hangs: the other takes over; when it wakes it takes no change that waited for it, and follows', async (t) => {
    const late = await ApiClient.pin(a.appliance.url, '/api', scene.door);
    await late.logIn('admin', SITE_PASSWORD);
    await a.appliance.signalAll('SIGSTOP');
    // It lies in the connection until the machine goes on.
    const answer = created(late, 'too late').catch(() => false);
    await isServedBy(b, t);
    await a.appliance.signalAll('SIGCONT');
    assert.equal(await answer, false, 'it was answered by one whose lease was over');
    await follows(a);
    const { groups } = await person.call('GET', 'jump/groups', jumpGroups);
    assert.ok(!groups.some(({ name }) => name === 'too late'));
  });

  it('base of the primary hangs alone: nobody reaches its main, which lets the lease go, and the other takes over', async (t) => {
    const base = await b.appliance.pid('base');
    process.kill(base, 'SIGSTOP');
    try {
      await isServedBy(a, t);
    } finally {
      process.kill(base, 'SIGCONT');
    }
    await follows(b);
  });

  it('the primary is cut off without a word: its address goes there too, the other takes over, and it follows when the way is mended', async (t) => {
    scene.network.setForwarding('a', false);
    await isServedBy(b, t);
    await waitUntil('the one that is cut off has let the address go', () => !scene.network.has('a', SHARED_ADDRESS));
    scene.network.setForwarding('a', true);
    await follows(a);
  });

  it('the primary reaches neither its backup, nor then the witness, in one direction: it goes on with whom it reaches', async (t) => {
    scene.setReach('b', 'a', false);
    await b.until('its backup is behind', ({ witness }) => witness?.peerInSync === false);
    await isServedBy(b, t);
    scene.setReach('b', 'a', true);
    await follows(a);
    scene.setReach('b', 'w', false);
    await b.until('the witness is away', ({ witness }) => witness?.state !== 'connected');
    await longerThanALease();
    await isServedBy(b, t);
    scene.setReach('b', 'w', true);
    await b.until('the witness is back', ({ witness }) => witness?.state === 'connected');
    await follows(a);
  });

  it('the witness is killed: both go on; with the peer away as well nobody writes, and the address goes until one is back', async (t) => {
    await scene.killWitness();
    await longerThanALease();
    await isServedBy(b, t);
    scene.network.setForwarding('a', false);
    await waitUntil('the address goes', () => !scene.network.has('b', SHARED_ADDRESS));
    await waitUntil('nothing is written any more', async () => !(await created(b.site, 'by nobody’s leave')), PAIR_LIMIT_MS);
    scene.network.setForwarding('a', true);
    scene.startWitness();
    await isServedBy(b, t);
    await follows(a);
  });

  it('the session was whole all the time', async () => {
    const outcome = await typing.finish();
    assert.deepEqual(
      { isLost: outcome.isLost, bytesLost: outcome.bytesLost, isRecordingWhole: outcome.isRecordingWhole },
      { isLost: false, bytesLost: 0, isRecordingWhole: true },
    );
  });

  /** A time in which whoever might would have taken over. */
  async function longerThanALease(): Promise<void> {
    const untilMs = performance.now() + LONGER_THAN_A_LEASE_MS;
    await waitUntil('a lease would have ended', () => performance.now() > untilMs);
  }
});

/** Whether the change was answered for. Rejects when nobody answers. */
async function created(client: ApiClient, name: string): Promise<boolean> {
  const { status } = await client.send('POST', 'jump/groups', { name });
  return status === 200;
}
