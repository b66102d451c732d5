import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Offer } from '@bascule/protocol/api/updates.ts';
import { chooseUnattended, isInWindow, type UnattendedFacts } from './unattended.ts';

/** A Sunday, 3 in the morning, local time. */
const SUNDAY_3 = new Date(2026, 6, 5, 3);
const COUNTS = { total: 5, current: 3, pending: 2, absent: 1, failed: 0, text: '' };
const SETTLED = { state: 'settled', fleet: { ...COUNTS, isSettled: true } } as const;
const window = { isOn: true, days: [0], fromHour: 2, hours: 4 };

function offer(
  version: string,
  more: { kind?: 'base' | 'site'; emergency?: boolean; accepted?: boolean; state?: Offer['state'] } = {},
): Offer {
  const { kind = 'site', emergency = false, accepted = true, state = 'installable' } = more;
  return {
    target: `${kind}/${version}`,
    manifest: {
      format: 'bascule-package/1',
      kind,
      version,
      revision: 'abc',
      releasedAtMs: 0,
      requires: {},
      installsOver: null,
      upgradesClients: true,
      restartsBox: false,
      emergency,
      runtime: null,
      unpackedBytes: 0,
      fileCount: 0,
      notes: { en: '' },
    },
    downloadBytes: 1,
    eulaSha256: 'a'.repeat(64),
    eulaAccepted: accepted ? { by: 'eve', atMs: 0 } : null,
    state,
    blockedBy: [],
    downloadedBytes: 0,
    downloadedAtMs: null,
  };
}

function facts(offers: Offer[], more: Partial<UnattendedFacts> = {}): UnattendedFacts {
  return {
    settings: { unattended: window, emergencyLane: false },
    now: SUNDAY_3,
    offers,
    path: offers.map(({ target, manifest }) => ({
      action: 'install',
      kind: manifest.kind,
      version: manifest.version,
      target,
      downloadBytes: 1,
      reason: '',
    })),
    history: [],
    fleet: SETTLED,
    ...more,
  };
}

describe('the maintenance window', () => {
  it('has a beginning, an end and days', () => {
    const at = (day: number, hour: number) => isInWindow(window, new Date(2026, 6, day, hour));
    assert.deepEqual([at(5, 1), at(5, 2), at(5, 5), at(5, 6), at(6, 3)], [false, true, true, false, false]);
  });

  it('may reach beyond midnight', () => {
    const late = { ...window, fromHour: 22, hours: 5 };
    const at = (day: number, hour: number) => isInWindow(late, new Date(2026, 6, day, hour));
    assert.deepEqual([at(5, 21), at(5, 23), at(6, 2), at(6, 3), at(5, 2)], [false, true, true, false, false]);
  });
});

describe('unattended installation', () => {
  it('is off unless somebody switched it on', () => {
    const off = { unattended: { ...window, isOn: false }, emergencyLane: false };
    assert.equal(chooseUnattended(facts([offer('0.2.0', { emergency: true })], { settings: off })), undefined);
  });

  it('installs the next step of the path, in the window alone', () => {
    assert.deepEqual(chooseUnattended(facts([offer('0.2.0')])), { do: 'install', target: 'site/0.2.0', lane: 'window' });
    assert.equal(chooseUnattended(facts([offer('0.2.0')], { now: new Date(2026, 6, 6, 3) })), undefined);
  });

  it('does not try again what was rolled back, failed or was cancelled', () => {
    for (const outcome of ['rolled-back', 'failed', 'cancelled'] as const) {
      const history = [
        { kind: 'site' as const, fromVersion: '0.1.0', toVersion: '0.2.0', outcome, operation: 'install' as const },
      ];
      assert.equal(chooseUnattended(facts([offer('0.2.0')], { history })), undefined);
    }
    const trial = [
      {
        kind: 'site' as const,
        fromVersion: '0.1.0',
        toVersion: '0.2.0',
        outcome: 'failed' as const,
        operation: 'trial' as const,
      },
    ];
    assert.equal(chooseUnattended(facts([offer('0.2.0')], { history: trial }))?.do, 'install');
  });

  it('does not install again what a person went back from', () => {
    const back = { kind: 'site' as const, fromVersion: '0.2.0', toVersion: '0.1.0', outcome: 'installed' as const };
    const history = [{ ...back, operation: 'roll-back' as const }];
    assert.equal(chooseUnattended(facts([offer('0.2.0')], { history })), undefined);
    assert.equal(chooseUnattended(facts([offer('0.2.1')], { history }))?.do, 'install');
  });

  it('waits between two site versions until clients are through (B86), base does not wait', () => {
    const pending = { state: 'pending', fleet: { ...COUNTS, isSettled: false } } as const;
    assert.equal(chooseUnattended(facts([offer('0.2.0')], { fleet: pending })), undefined);
    assert.equal(chooseUnattended(facts([offer('0.2.0', { kind: 'base' })], { fleet: pending }))?.do, 'install');
    assert.equal(chooseUnattended(facts([offer('0.2.0')], { fleet: SETTLED }))?.do, 'install');
  });

  it('gives the clients of a site that does not say how far they are a day, and waits for none of a site that does not run', () => {
    const unknown = (leftMs: number) => chooseUnattended(facts([offer('0.2.0')], { fleet: { state: 'unknown', leftMs } }))?.do;
    assert.deepEqual([unknown(1), unknown(0)], [undefined, 'install']);
    assert.equal(chooseUnattended(facts([offer('0.2.0')], { fleet: { state: 'no-site' } }))?.do, 'install');
  });

  it('leaves a licence agreement to a person', () => {
    assert.equal(chooseUnattended(facts([offer('0.2.0', { accepted: false })]))?.do, 'tell-eula');
  });

  it('installs an emergency package at once when the lane is open', () => {
    const settings = { unattended: { ...window, isOn: false }, emergencyLane: true };
    const emergency = offer('0.2.1', { emergency: true });
    assert.deepEqual(chooseUnattended(facts([offer('0.2.0'), emergency], { settings })), {
      do: 'install',
      target: 'site/0.2.1',
      lane: 'emergency',
    });
    assert.equal(chooseUnattended(facts([offer('0.2.1', { emergency: true, state: 'blocked' })], { settings })), undefined);
  });
});
