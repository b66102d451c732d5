/** The pre-shared key of a move is lent: what was there before comes back, whatever is cut (docs/decisions/0360). */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { ADMINISTRATOR, PRE_SHARED, TestSide } from './pair-testing.ts';
import { PreSharedKey } from './pre-shared-key.ts';

const DATA = Buffer.from('a challenge');
const OF_MOVE = 'the pre-shared key of a move, made by the new box';

async function side(t: TestContext, preSharedKey?: string): Promise<TestSide> {
  const opened = await TestSide.open(preSharedKey === undefined ? {} : { preSharedKey });
  t.after(() => opened.close());
  return opened;
}
const proofOf = (key: PreSharedKey): string => key.hmac(DATA).toString('hex');
/** As after a restart. */
const again = ({ store, keysDir }: TestSide): PreSharedKey => new PreSharedKey({ store, keysDir });

test('the key of before comes back after a move, also after a restart and when the key of the move was given twice', async (t) => {
  const own = await side(t, PRE_SHARED);
  const [before, state] = [proofOf(own.preSharedKey), own.preSharedKey.state()];
  await own.preSharedKey.lend(ADMINISTRATOR, OF_MOVE);
  const lent = proofOf(own.preSharedKey);
  assert.notEqual(lent, before);
  await again(own).lend(ADMINISTRATOR, OF_MOVE);
  const restarted = again(own);
  assert.equal(proofOf(restarted), lent);
  await restarted.putBack(ADMINISTRATOR);
  for (const key of [restarted, again(own)]) assert.deepEqual([proofOf(key), key.state()], [before, state]);
  await restarted.putBack(ADMINISTRATOR);
  assert.equal(proofOf(restarted), before);
  assert.deepEqual(own.audit().slice(0, 2), ['PAIR_PRE_SHARED_KEY_PUT_BACK', 'PAIR_PRE_SHARED_KEY_OF_MOVE']);
});

test('where there was none there is none again: the key of the move opens nothing any more', async (t) => {
  const own = await side(t);
  const key = own.preSharedKey;
  // The end of the move comes while the slow hash of its key is still being made.
  const lending = key.lend(ADMINISTRATOR, OF_MOVE);
  await Promise.all([lending, key.putBack(ADMINISTRATOR)]);
  assert.deepEqual([key.isSet, key.state().isSet, again(own).isSet], [false, false, false]);
});

test('a key that a person sets meanwhile is the one that stays', async (t) => {
  const own = await side(t, PRE_SHARED);
  const key = own.preSharedKey;
  await key.lend(ADMINISTRATOR, OF_MOVE);
  await key.set(ADMINISTRATOR, 'a key that a person has chosen by now');
  const chosen = proofOf(key);
  await key.putBack(ADMINISTRATOR);
  assert.equal(proofOf(key), chosen);
});
