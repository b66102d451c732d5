/** A rotation of the vault key in a real pair (docs/decisions/0302): with the backup away, and with a takeover after it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { KeyRing } from '@bascule/accounts/key-ring.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { addSecrets, readSecrets } from '../vault/testing.ts';
import { ADA, inSync, startPair, type TestAppliance } from './testing.ts';

const keyFileOf = (appliance: TestAppliance) => appliance.config.keyFile;
const ringOf = (appliance: TestAppliance) => KeyRing.open(keyFileOf(appliance));
const vaultOf = (appliance: TestAppliance) => appliance.program.site!.parts.vault;
const secretsOf = (appliance: TestAppliance) => readSecrets(appliance.program.failover.store!, ringOf(appliance));

test(
  'with the backup away a rotation waits; with it back the backup opens every secret at every moment, and after a swap too',
  { timeout: 90_000 },
  async () => {
    await using pair = await startPair();
    const { one, other } = pair;
    addSecrets(one.program.failover.store!, ringOf(one), 60);
    await inSync(one, other);
    const wanted = secretsOf(one);
    assert.ok(Object.values(wanted).every((text) => text !== undefined));
    const identity = readFileSync(join(other.config.paths.keys, 'identity.key'));
    const served = other.program.standby;
    one.cut(true);
    other.cut(true);
    await waitUntil('the backup is away', () => one.program.failover.vaultBackup().kind === 'away');
    const from = ringOf(one).currentId;
    await vaultOf(one).rotate(ADA);
    await waitUntil('it waits', () => vaultOf(one).rotation.state()?.waitsFor?.code === 'VAULT_WAITS_FOR_BACKUP');
    assert.deepEqual([ringOf(one).currentId, ringOf(one).nextId], [from, null]);
    one.cut(false);
    other.cut(false);
    await waitUntil('the rotation is done', () => {
      // Whatever has come over by now: the backup could take over with it.
      assert.ok(Object.values(secretsOf(other)).every((text) => text !== undefined));
      return vaultOf(one).rotation.state() === null;
    });
    await inSync(one, other);
    assert.notEqual(ringOf(one).currentId, from);
    await waitUntil('the backup has dropped the former key too', () => ringOf(other).fingerprint() === ringOf(one).fingerprint());
    assert.deepEqual(ringOf(other).formerIds(), []);
    assert.deepEqual(readFileSync(keyFileOf(other)), readFileSync(keyFileOf(one)));
    assert.deepEqual(secretsOf(other), wanted);
    assert.deepEqual(readFileSync(join(other.config.paths.keys, 'identity.key')), identity);
    assert.equal(other.program.standby, served, 'who is served by the backup noticed nothing');
    await other.pair.roles.becomePrimary(ADA, { pullFirst: true });
    const state = await vaultOf(other).state();
    assert.deepEqual([state.unreadable, state.lastRotation?.by], [0, 'ada']);
  },
);
