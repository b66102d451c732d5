/** Automatic failover: a real witness, two sites, nobody who clicks (architecture 8; I4, I5). */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { WitnessProcess } from '../../../witness/src/testing.ts';
import { ADA, addGroup, inSync, startPair, type TestAppliance } from './testing.ts';

const groups = (appliance: TestAppliance) =>
  appliance.program.failover.store!.all<{ name: string }>('SELECT name FROM jump_groups ORDER BY name').map(({ name }) => name);

/** One that can be enrolled at. */
async function startedWitness(t: TestContext): Promise<WitnessProcess> {
  const witness = new WitnessProcess();
  t.after(() => witness.remove());
  assert.equal((await witness.command('init')).code, 0);
  await witness.start();
  return witness;
}

/** Automatic failover, with the first as the holder. */
async function turnOn(witness: WitnessProcess, { one, other }: { one: TestAppliance; other: TestAppliance }): Promise<void> {
  const code = /bw1\.\S+/.exec((await witness.command('code')).output)?.[0] ?? '';
  await one.pair.enrolAtWitness(ADA, { host: '127.0.0.1', port: witness.port }, code);
  one.pair.changeSettings(ADA, { automatic: true });
  await waitUntil('the primary holds the lease', () => one.pair.lease.isOn && one.pair.lease.isHeld);
  await waitUntil('the backup keeps its part', () => other.pair.lease.isOn);
}

const onRecord = async (appliance: TestAppliance) => (await appliance.program.failover.state()).witness;

test(
  'the primary ends: the backup takes over by the witness, and the former primary comes back as the backup',
  { timeout: 90_000 },
  async (t) => {
    const witness = await startedWitness(t);
    await using pair = await startPair();
    const { one, other } = pair;
    assert.throws(() => one.pair.changeSettings(ADA, { automatic: true }), { code: 'FAILOVER_WITNESS_NEEDED' });
    await turnOn(witness, pair);
    addGroup(one, 'before');
    await inSync(one, other);
    await waitUntil('the witness has it on record', async () => (await onRecord(one))?.peerInSync);

    await one.end();
    await waitUntil('the backup took over', () => other.program.site !== undefined);
    addGroup(other, 'after');
    assert.deepEqual([other.pair.parts.records.self.epoch, groups(other)], [2, ['after', 'before']]);
    const [change] = (await other.program.failover.state()).roles;
    assert.deepEqual([change?.by, change?.reason], ['witness', 'took-over']);

    await one.begin();
    await waitUntil('it comes back as the backup', () => one.role === 'backup');
    await inSync(other, one);
    assert.deepEqual(groups(one), ['after', 'before']);

    // A planned swap hands the lease over with the site.
    await one.pair.roles.becomePrimary(ADA, { pullFirst: true });
    await waitUntil('roles are swapped', () => other.role === 'backup');
    addGroup(one, 'swapped back');
    await inSync(one, other);
    assert.deepEqual(other.hashes(), one.hashes());

    // Witness and peer are both gone for good: nobody may write, until a person who knows says so.
    await waitUntil('the witness has it on record', async () => (await onRecord(one))?.peerInSync);
    await witness.end('SIGKILL');
    await other.end();
    await waitUntil('the lease has run out', () => !one.pair.lease.isHeld);
    assert.throws(() => addGroup(one, 'alone'), { code: 'FAILOVER_NO_LEASE' });
    one.pair.changeSettings(ADA, { automatic: false });
    assert.throws(() => addGroup(one, 'alone'), { code: 'FAILOVER_NO_LEASE' });
    await waitUntil('the witness is seen to be gone', () => one.pair.lease.state()?.state !== 'connected');
    await one.pair.lease.leaveRegardless();
    addGroup(one, 'alone');
  },
);

test(
  'roles that were swapped while a plan kept the two apart: the new primary gets the lease, and goes on when its backup ends',
  { timeout: 90_000 },
  async (t) => {
    const witness = await startedWitness(t);
    await using pair = await startPair();
    const { one, other } = pair;
    await turnOn(witness, pair);
    await waitUntil('the witness has it on record', async () => (await onRecord(one))?.peerInSync);

    await one.pair.roles.breakUp(ADA, { isForPlan: true });
    await waitUntil('both are apart', () => one.role === 'single' && other.role === 'read-only');
    await waitUntil('nobody needs the lease any more', () => !one.pair.lease.isOn && !other.pair.lease.isOn);
    await other.pair.roles.becomePrimary(ADA, { pullFirst: true });
    await waitUntil('roles are swapped', () => one.role === 'read-only' && other.role === 'single');
    await other.pair.roles.establishAgain(ADA);
    await inSync(other, one);
    await waitUntil('it holds the lease', async () => (await onRecord(other))?.holder === 'beta');
    await waitUntil('the witness has it on record', async () => (await onRecord(other))?.peerInSync);

    await one.end();
    await waitUntil('it goes on alone', async () => (await onRecord(other))?.peerInSync === false);
    addGroup(other, 'alone');
    await waitUntil('the lease is the one of now', () => other.pair.lease.isHeld && other.pair.lease.leftMs === null);
  },
);
