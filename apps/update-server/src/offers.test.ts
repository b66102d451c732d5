import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testManifest } from '@bascule/package-format/testing.ts';
import type { PackageKind, PackageManifest } from '@bascule/protocol/package-manifest.ts';
import { missingTargets, offeredFromMs, offersFor, planFor, type OfferRules, type PackageRelease } from './offers.ts';
import type { Appliance, ScheduleEntry } from './server-store.ts';

const NOW_MS = 1_800_000_100_000;
const NOTHING: ReadonlyMap<string, number> = new Map();
const RULES: OfferRules = { schedule: [], scheduledOnly: false, offerOnce: false };

function appliance(changes: Partial<Appliance> = {}): Appliance {
  return {
    id: 'a1',
    name: 'One',
    publicKey: '',
    ring: 'first',
    holder: '',
    contact: '',
    language: 'en',
    maintainedUntilMs: null,
    registeredAtMs: 0,
    seenAtMs: null,
    seenAddress: '',
    installed: null,
    ...changes,
  };
}

function release(kind: PackageKind, version: string, changes: Partial<PackageManifest> = {}): PackageRelease {
  const target = `${kind}/${changes.licence?.holder ?? kind}-${version}`;
  return { target, role: kind, lengthBytes: 1, sha256: 'f'.repeat(64), manifest: testManifest(kind, version, changes) };
}

function licence(holder: string, version: string): PackageRelease {
  const terms = { holder, maintainedUntilMs: NOW_MS, endpoints: null, concurrentRepresentatives: null, expiresAtMs: null };
  return release('licence', version, { licence: terms });
}

function entry(changes: Partial<ScheduleEntry>): ScheduleEntry {
  return { id: 'x', package: 'site', version: '0.2.0', applianceId: null, ring: null, fromMs: 0, ...changes };
}

test('the entry for the appliance counts before that for its ring, and that before the one for all', () => {
  const site = release('site', '0.2.0');
  const forAll = entry({ fromMs: 3 });
  const forRing = entry({ ring: 'first', fromMs: 2 });
  const forOne = entry({ applianceId: 'a1', fromMs: 1 });
  const from = (schedule: ScheduleEntry[], who = appliance()) => offeredFromMs(site, who, { ...RULES, schedule });
  assert.equal(from([forAll, forRing, forOne]), 1);
  assert.equal(from([forAll, forRing]), 2);
  assert.equal(from([forAll]), 3);
  assert.equal(from([forRing], appliance({ ring: 'last' })), undefined, 'whoever a schedule does not name is not offered it');
  assert.equal(from([entry({ ring: 'first', version: '0.3.0' })]), 0, 'another release has no say');
  assert.equal(from([]), 0);
  assert.equal(offeredFromMs(site, appliance(), { ...RULES, scheduledOnly: true }), undefined);
});

test('a licence is for its holder where a holder is known', () => {
  const theirs = licence('Somebody else', '1.0.0');
  assert.equal(offeredFromMs(theirs, appliance({ holder: 'Basteldorf' }), RULES), undefined);
  assert.equal(offeredFromMs(theirs, appliance({ holder: 'Somebody else' }), RULES), 0);
  assert.equal(offeredFromMs(theirs, appliance(), RULES), 0);
});

test('the switch hides what was downloaded before, and only then', () => {
  const site = release('site', '0.2.0');
  const downloaded = new Map([[site.target, 1]]);
  assert.equal(offersFor([site], appliance(), RULES, downloaded).length, 1);
  assert.equal(offersFor([site], appliance(), { ...RULES, offerOnce: true }, downloaded).length, 0);
});

test('what is missing comes in the order of installation: runtime, base, licence, site; what is scheduled for later is left out', () => {
  const runtime = 'b'.repeat(64);
  const all = [
    release('site', '0.2.0', { requires: { base: '>=0.2.0' }, runtime }),
    release('base', '0.2.0', { runtime }),
    release('base', '0.3.0', { runtime }),
    licence('Basteldorf', '1.0.0'),
    licence('Basteldorf', '2.0.0'),
  ];
  const schedule = [entry({ package: 'base', version: '0.3.0', fromMs: NOW_MS + 1 })];
  const who = appliance({ holder: 'Basteldorf' });
  const installed = { base: '0.1.0', site: '0.1.0', runtimes: ['a'.repeat(64)] };
  const missing = (now = installed, downloaded = NOTHING): string[] => {
    const offers = offersFor(all, who, { ...RULES, schedule }, downloaded);
    const plan = planFor(offers, all, who, now, NOW_MS);
    return missingTargets(offers, plan.path, plan.offers, now, downloaded);
  };
  assert.deepEqual(missing(), [`runtime/${runtime}.tar.zst`, 'base/base-0.2.0', 'site/site-0.2.0', 'licence/Basteldorf-2.0.0']);
  const upToDate = { base: '0.2.0', site: '0.2.0', runtimes: [runtime] };
  assert.deepEqual(missing(upToDate), ['licence/Basteldorf-2.0.0']);
  assert.deepEqual(missing(upToDate, new Map([['licence/Basteldorf-2.0.0', 1]])), []);
});

test('what came out after the maintenance had ended is not among what is missing', () => {
  const all = [release('base', '0.2.0', { releasedAtMs: NOW_MS - 10 })];
  const who = appliance({ maintainedUntilMs: NOW_MS - 20 });
  const offers = offersFor(all, who, RULES, NOTHING);
  const plan = planFor(offers, all, who, { base: '0.1.0', site: '0.1.0' }, NOW_MS);
  assert.deepEqual(plan.path, []);
  assert.equal(plan.offers[0]?.blockedBy[0]?.reason, 'not-maintained');
});
