/** What a follower does not take from a source: the site without its last changes, and a word about another history (I5). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ADA, addGroup, startPair } from './testing.ts';

const quiet = () => undefined;

test(
  'nobody becomes primary without the last entry that was signed over: what does not come is left to people',
  { timeout: 60_000 },
  async () => {
    await using pair = await startPair();
    const { one, other } = pair;
    addGroup(one, 'signed over');
    const { roles, exclusive } = other.pair;
    // As Become Primary has it: what the other side says meanwhile is not looked at.
    await exclusive.run('become-primary', async () => {
      const lacking = roles.handOver.takeOver(ADA, 'ada', quiet, async (order) => {
        const answer = await roles.order(order);
        return { ...answer, seq: (answer.seq ?? 0) + 1 };
      });
      await assert.rejects(lacking, { code: 'FAILOVER_ROLE_UNFIT' });
      assert.notEqual(other.role, 'primary');
    });
  },
);

test(
  'a source that shows a word about another history is not followed, and its epoch is not learned',
  { timeout: 60_000 },
  async () => {
    await using pair = await startPair();
    const { one, other } = pair;
    const { statements, key, config, records } = one.pair.parts;
    const holder = { holder: key.sha256, holderName: config.applianceName };
    const epoch = records.self.epoch + 5;
    const foreign = await statements.sign({
      history: 'his_of-another-site',
      epoch,
      ...holder,
      predecessor: null,
      atMs: Date.now(),
    });
    await assert.rejects(other.pair.copy.following(foreign), { code: 'FAILOVER_WRONG_SOURCE' });
    assert.equal(other.pair.parts.records.self.epoch, records.self.epoch);
    const own = await statements.sign({ history: records.self.history, epoch, ...holder, predecessor: null, atMs: Date.now() });
    await other.pair.copy.following(own);
    assert.equal(other.pair.parts.records.self.epoch, epoch);
  },
);
