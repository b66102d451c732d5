import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import type { PairStateAnswer } from '@bascule/protocol/pair-link.ts';
import type { PairDial } from './pair-dial.ts';
import { PeerWatch } from './peer-watch.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { ADA, ANY_LOSS, inSync, startPair } from './testing.ts';

/** A way on which answers come when the test says so; each is what was so when it was asked for. */
class SlowWay {
  readonly asked: (() => void)[] = [];
  epoch = 1;
  isGone = false;
  readonly #state: PairStateAnswer;

  constructor(state: PairStateAnswer) {
    this.#state = state;
  }

  async request(): Promise<{ status: number; body: unknown }> {
    const { side } = this.#state;
    const body = { ...this.#state, side: { ...side, epoch: this.epoch } };
    await new Promise<void>((resolve) => this.asked.push(resolve));
    if (this.isGone) throw new Error('the connection was closed');
    return { status: 200, body };
  }
}

test('whoever asks gets what is so after the question, also when another question is on its way; of one that is gone at once', async () => {
  await using pair = await startPair();
  const way = new SlowWay(pair.other.pair.parts.watch.state!);
  const watch = new PeerWatch({
    dial: way as unknown as PairDial,
    isPaired: () => true,
    heard: () => undefined,
    changed: () => undefined,
    log: createLog('test', 'silent'),
    now: Date.now,
  });
  const first = watch.ask();
  way.epoch = 2;
  const second = watch.ask();
  const third = watch.ask();
  way.asked.shift()!();
  assert.equal(await first, true);
  assert.equal(watch.state?.side.epoch, 1);
  way.asked.shift()!();
  assert.deepEqual([await second, await third], [true, true]);
  assert.equal(watch.state?.side.epoch, 2);
  assert.equal(way.asked.length, 0, 'those that waited together share a question');

  way.isGone = true;
  const [gone, alsoGone] = [watch.ask(), watch.ask()];
  way.asked.shift()!();
  assert.deepEqual([await gone, await alsoGone, way.asked.length], [false, false, 0]);
});

test(
  'Become Primary by force, when a question has just failed: a primary that is there after all hands over, and one that is not is not waited for',
  { timeout: 60_000 },
  async () => {
    await using pair = await startPair();
    const { one, other } = pair;
    const { watch, records } = other.pair.parts;
    await watch.ask();
    one.cut(true);
    const becoming = other.pair.roles.becomePrimary(ADA, { pullFirst: false, acceptedLoss: ANY_LOSS });
    assert.equal(watch.isReachable, true, 'it answered a moment ago');
    one.cut(false);
    await becoming;
    assert.deepEqual([other.role, records.self.epoch], ['primary', 2]);
    assert.equal((await other.program.failover.state()).roles[0]?.reason, 'swapped');
    await waitUntil('the former primary was asked', () => one.role === 'backup');
    await inSync(other, one);
    one.pair.parts.watch.close();
    await one.pair.parts.watch.ask();
    other.cut(true);
    await one.pair.roles.becomePrimary(ADA, { pullFirst: false, acceptedLoss: ANY_LOSS });
    assert.equal((await one.program.failover.state()).roles[0]?.reason, 'took-over', 'it could not be asked');
  },
);

test('a swap does not wait for a primary that has found out that it must not write', { timeout: 60_000 }, async () => {
  await using pair = await startPair();
  const { one, other } = pair;
  await one.pair.roles.stepDown({ by: 'system', reason: 'restored' }, 'read-only', { readOnly: 'restored' });
  await other.pair.parts.watch.ask();
  const { handOver, order } = other.pair.roles;
  const waiting = handOver.takeOver(ADA, 'ada', () => undefined, order.bind(other.pair.roles));
  await assert.rejects(waiting, { code: 'FAILOVER_ROLE_UNFIT' });
  assert.equal(other.role, 'backup');
});
