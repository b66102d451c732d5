import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Installation, Offer, PathStep } from '@bascule/protocol/api/updates.ts';
import { nextPackages } from './next-packages.ts';

const offer = (kind: 'base' | 'site' | 'licence', version: string): Offer =>
  ({
    target: `${kind}/${version}`,
    manifest: { kind, version },
    downloadBytes: 100,
    downloadedBytes: 100,
    eulaAccepted: kind === 'base' ? { by: 'Ada', atMs: 1 } : null,
  }) as Offer;
const step = ({ target }: Offer): PathStep => ({ action: 'install', target }) as PathStep;
const ended = (kind: string, seconds: number, more: Partial<Installation> = {}): Installation =>
  ({
    kind,
    operation: 'install',
    outcome: 'installed',
    toVersion: '0.1.0',
    startedAtMs: 0,
    endedAtMs: seconds * 1000,
    ...more,
  }) as Installation;

const LICENCE = offer('licence', '2');
const BASE = offer('base', '0.2.0');
const SITE = offer('site', '0.2.0');
const LATER = offer('site', '0.3.0');
const OFFERS = [LATER, SITE, BASE, LICENCE];
const WAIT = { action: 'wait-for-clients', target: null } as PathStep;

describe('what an upgrade plan installs next', () => {
  it('is one base and one site in the order of the path, so that each can be rolled back; licences go by themselves', () => {
    const path = [LICENCE, BASE, SITE].map(step).concat(WAIT, step(LATER));
    const found = nextPackages({ path, offers: OFFERS, history: [], watchSeconds: 30 });
    assert.deepEqual(
      found.map(({ target, eulaAcceptedBy }) => [target, eulaAcceptedBy]),
      [
        ['base/0.2.0', 'Ada'],
        ['site/0.2.0', null],
      ],
    );
  });

  it('takes as long as the last ones did; else as a trial and the watch; else about a minute and the watch', () => {
    const seconds = (history: Installation[]) =>
      nextPackages({ path: [step(SITE)], offers: OFFERS, history, watchSeconds: 30 })[0]?.expectedSeconds;
    assert.equal(seconds([]), 90);
    const trial = ended('site', 12, { operation: 'trial', outcome: 'tried', toVersion: '0.2.0' });
    assert.equal(seconds([trial]), 42);
    assert.equal(
      seconds([ended('site', 999, { outcome: 'rolled-back' }), ended('site', 100), trial, ended('site', 200), ended('base', 9)]),
      150,
    );
  });
});
