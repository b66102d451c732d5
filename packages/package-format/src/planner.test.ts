import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { PathStep } from '@bascule/protocol/api/updates.ts';
import { packageManifest, type PackageKind, type PackageManifest } from '@bascule/protocol/package-manifest.ts';
import { plan, targetsOfPath, type InstalledPackage, type KnownRelease, type PlanInput } from './planner.ts';
import { compareVersions, satisfies } from './version.ts';

const DAY_MS = 24 * 60 * 60_000;
const NOW_MS = Date.UTC(2026, 6, 1);
const RUNTIME = 'a'.repeat(64);

function release(
  kind: PackageKind,
  version: string,
  manifest: Partial<PackageManifest> = {},
  more: Partial<KnownRelease> = {},
): KnownRelease {
  const full = packageManifest.parse({
    format: 'bascule-package/1',
    kind,
    version,
    revision: 'abc1234',
    releasedAtMs: NOW_MS - 10 * DAY_MS,
    requires: {},
    installsOver: null,
    upgradesClients: kind === 'site',
    restartsBox: kind === 'base',
    emergency: false,
    migrations: [],
    runtime: kind === 'licence' ? null : RUNTIME,
    unpackedBytes: 1,
    fileCount: 1,
    workspaces: {},
    eula: '',
    notes: { en: '' },
    ...manifest,
  });
  return {
    target: `${kind}/${full.licence?.holder ?? kind}-${version}.tar.zst`,
    manifest: full,
    downloadBytes: 7,
    offeredFromMs: 0,
    ...more,
  };
}

const licence = (holder: string) => ({
  holder,
  maintainedUntilMs: NOW_MS,
  endpoints: null,
  concurrentRepresentatives: null,
  expiresAtMs: null,
});

const installedAs = (base: string, site: string): InstalledPackage[] => [
  { kind: 'base', version: base },
  { kind: 'site', version: site },
];

function planOf(installed: InstalledPackage[], releases: KnownRelease[], more: Partial<PlanInput> = {}) {
  return plan({ installed, releases, nowMs: NOW_MS, maintainedUntilMs: null, ...more });
}

const inWords = (path: PathStep[]) => path.map(({ action, kind, version }) => `${action} ${kind} ${version}`);
const stateOf = (offers: ReturnType<typeof planOf>['offers'], target: string) =>
  offers.find(({ release: { target: own } }) => own === target);

describe('offers', () => {
  it('names what must come first (B56, B57)', () => {
    const { offers } = planOf(installedAs('0.1.0', '0.1.0'), [
      release('base', '0.2.0'),
      release('base', '0.3.0'),
      release('site', '0.2.0', { requires: { base: '>=0.3.0' } }),
    ]);
    assert.deepEqual(
      offers.map(({ release: { target }, state }) => [target, state]),
      [
        ['base/base-0.3.0.tar.zst', 'installable'],
        ['base/base-0.2.0.tar.zst', 'installable'],
        ['site/site-0.2.0.tar.zst', 'blocked'],
      ],
    );
    assert.deepEqual(stateOf(offers, 'site/site-0.2.0.tar.zst')?.blockedBy, [
      { reason: 'requires', kind: 'base', version: '0.3.0', range: '>=0.3.0', atMs: null },
    ]);
  });

  it('names the version in between when what is installed is too old (B82)', () => {
    const { offers } = planOf(installedAs('0.1.0', '0.1.0'), [
      release('site', '0.2.0'),
      release('site', '0.3.0'),
      release('site', '0.9.0', { installsOver: '>=0.2.0' }),
    ]);
    const [newest] = offers;
    assert.equal(newest?.state, 'blocked');
    assert.equal(newest?.blockedBy[0]?.reason, 'installs-over');
    assert.ok(['0.2.0', '0.3.0'].includes(newest?.blockedBy[0]?.version ?? ''));
  });

  it('refuses a base beside which the installed site would not work', () => {
    const installed: InstalledPackage[] = [
      { kind: 'base', version: '0.1.0' },
      { kind: 'site', version: '0.1.0', requires: { base: '<0.3.0' } },
    ];
    const { offers, path } = planOf(installed, [
      release('base', '0.3.0'),
      release('site', '0.2.0', { requires: { base: '<0.4.0' } }),
    ]);
    assert.deepEqual(offers[0]?.blockedBy, [{ reason: 'requires', kind: 'site', version: '0.2.0', range: '<0.3.0', atMs: null }]);
    assert.deepEqual(inWords(path), ['back-up site 0.2.0', 'install site 0.2.0', 'install base 0.3.0']);
  });

  it('tells installed and older versions apart from new ones, numbers compared as numbers', () => {
    const { offers } = planOf(installedAs('0.9.0', '0.1.0'), [
      release('base', '0.9.0'),
      release('base', '0.10.0'),
      release('base', '0.8.9'),
    ]);
    assert.deepEqual(
      offers.map(({ state }) => state),
      ['installable', 'installed', 'older'],
    );
  });

  it('keeps back what is not offered yet and what was released after the maintenance ended (B42, B212)', () => {
    const late = release('site', '0.2.0', { releasedAtMs: NOW_MS - DAY_MS }, { offeredFromMs: NOW_MS + DAY_MS });
    const { offers, path } = planOf(
      installedAs('0.1.0', '0.1.0'),
      [late, release('base', '0.2.0', {}, { offeredFromMs: null })],
      {
        maintainedUntilMs: NOW_MS - 2 * DAY_MS,
      },
    );
    assert.deepEqual(
      stateOf(offers, late.target)?.blockedBy.map(({ reason, atMs }) => [reason, atMs]),
      [
        ['not-maintained', NOW_MS - 2 * DAY_MS],
        ['not-yet-offered', NOW_MS + DAY_MS],
      ],
    );
    assert.deepEqual(path, []);
  });

  it('offers the licence with which the maintenance goes on after it has ended', () => {
    const renewal = release('licence', '1.1.0', { licence: licence('mine'), releasedAtMs: NOW_MS - DAY_MS });
    const { offers } = planOf(installedAs('0.1.0', '0.1.0'), [renewal], { maintainedUntilMs: NOW_MS - 2 * DAY_MS });
    assert.equal(stateOf(offers, renewal.target)?.state, 'installable');
  });

  it('keeps the licences of one holder apart from those of another', () => {
    const mine = release('licence', '1.1.0', { licence: licence('mine') });
    const other = release('licence', '0.5.0', { licence: licence('other') });
    const installed: InstalledPackage[] = [
      ...installedAs('0.1.0', '0.1.0'),
      { kind: 'licence', version: '1.0.0', holder: 'mine' },
    ];
    const { offers, path } = planOf(installed, [mine, other, release('base', '0.2.0')]);
    assert.equal(stateOf(offers, other.target)?.state, 'installable');
    assert.deepEqual(inWords(path), ['install base 0.2.0', 'install licence 1.1.0']);
  });
});

describe('the upgrade path', () => {
  it('goes from very old to newest with backups and waits (B58, B82-B87)', () => {
    const { path } = planOf(installedAs('0.1.0', '0.1.0'), [
      release('base', '0.2.0'),
      release('base', '0.3.0', { installsOver: '>=0.2.0' }),
      release('site', '0.2.0', { requires: { base: '>=0.2.0' } }),
      release('site', '0.2.5', { requires: { base: '>=0.2.0' } }),
      release('site', '0.3.0', { requires: { base: '>=0.3.0' }, installsOver: '>=0.2.0' }),
    ]);
    const words = inWords(path);
    assert.deepEqual(
      words.map((text) => text.replace('0.2.5', '0.2.0')),
      [
        'install base 0.2.0',
        'install base 0.3.0',
        'back-up site 0.2.0',
        'install site 0.2.0',
        'wait-for-clients site 0.2.0',
        'back-up site 0.3.0',
        'install site 0.3.0',
      ],
    );
  });

  it('waits first for clients that are not through with the site in use, base does not', () => {
    const clients = { total: 9, pending: 3, absent: 2, failed: 1 };
    const input = {
      installed: installedAs('0.1.0', '0.1.0'),
      releases: [release('base', '0.2.0'), release('site', '0.2.0', { requires: { base: '>=0.2.0' } })],
      nowMs: 0,
      maintainedUntilMs: null,
    };
    const { path } = plan({ ...input, waitingClients: clients });
    assert.deepEqual(inWords(path), [
      'install base 0.2.0',
      'wait-for-clients site 0.1.0',
      'back-up site 0.2.0',
      'install site 0.2.0',
    ]);
    assert.deepEqual(path[1]?.clients, clients);
    assert.match(path[1]?.reason ?? '', /3 of 9 clients .*2 away, 1 failed/);
    assert.ok(!plan(input).path.some(({ action }) => action === 'wait-for-clients'), 'nobody is waited for');
  });

  it('does not wait for a site version that upgrades no client, nor after the last', () => {
    const { path } = planOf(installedAs('0.1.0', '0.1.0'), [
      release('site', '0.2.0', { upgradesClients: false }),
      release('site', '0.3.0', { installsOver: '>=0.2.0' }),
    ]);
    assert.ok(!path.some(({ action }) => action === 'wait-for-clients'));
  });

  it('prefers the way with fewer waits over the one with fewer packages', () => {
    const { path } = planOf(installedAs('0.1.0', '0.1.0'), [
      release('site', '0.2.0'),
      release('base', '0.2.0'),
      release('base', '0.3.0', { installsOver: '>=0.2.0' }),
      release('site', '0.4.0', { requires: { base: '>=0.3.0' } }),
    ]);
    assert.deepEqual(inWords(path), ['install base 0.2.0', 'install base 0.3.0', 'back-up site 0.4.0', 'install site 0.4.0']);
  });

  it('is empty when everything is installed or nothing is known', () => {
    assert.deepEqual(planOf(installedAs('0.2.0', '0.2.0'), [release('base', '0.2.0'), release('site', '0.1.0')]).path, []);
    assert.deepEqual(planOf([], []).path, []);
  });

  it('lists the targets to be fetched, the runtime once and first', () => {
    const releases = [release('base', '0.2.0'), release('site', '0.2.0')];
    const { path } = planOf(installedAs('0.1.0', '0.1.0'), releases);
    const runtime = `runtime/${RUNTIME}.tar.zst`;
    assert.deepEqual(targetsOfPath(path, releases, []), [runtime, 'base/base-0.2.0.tar.zst', 'site/site-0.2.0.tar.zst']);
    assert.ok(!targetsOfPath(path, releases, [RUNTIME]).includes(runtime));
  });

  it('is found among hundreds of releases in less than a second', () => {
    const many = Array.from({ length: 150 }, (_, index) => index + 2).flatMap((minor) => [
      release('base', `0.${minor}.0`, { installsOver: `>=0.${minor - 1}.0` }),
      release('site', `0.${minor}.0`, { requires: { base: `>=0.${minor}.0` }, installsOver: `>=0.${Math.max(1, minor - 3)}.0` }),
    ]);
    const startedMs = performance.now();
    planOf(installedAs('0.60.0', '0.60.0'), many);
    assert.ok(performance.now() - startedMs < 1_000);
  });
});

const version = fc
  .tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 4 }))
  .map(([major, minor]) => `${major}.${minor}.0`);
const range = version.chain((least) => fc.constantFrom(`>=${least}`, `<${least}`, `>=${least} <9.0.0`, `=${least}`));
const anyRelease = fc
  .record({
    kind: fc.constantFrom<PackageKind>('base', 'base', 'site', 'site', 'licence'),
    version,
    base: fc.option(range, { nil: undefined, freq: 2 }),
    site: fc.option(range, { nil: undefined, freq: 2 }),
    installsOver: fc.option(range),
    upgradesClients: fc.boolean(),
    offeredFromMs: fc.constantFrom(0, 0, 0, null, NOW_MS + 1),
    releasedAtMs: fc.constantFrom(NOW_MS - 5, NOW_MS),
  })
  .map(({ kind, version: own, base, site, installsOver, upgradesClients, offeredFromMs, releasedAtMs }) =>
    release(
      kind,
      own,
      {
        requires: { base, site },
        installsOver,
        upgradesClients,
        releasedAtMs,
        ...(kind === 'licence' && { licence: licence('mine') }),
      },
      { offeredFromMs },
    ),
  );
const anyInput: fc.Arbitrary<PlanInput> = fc.record({
  installed: fc
    .tuple(version, version, version, fc.option(range, { nil: undefined }))
    .map(([base, site, own, needs]): InstalledPackage[] => [
      { kind: 'base', version: base },
      { kind: 'site', version: site, requires: { base: needs } },
      { kind: 'licence', version: own, holder: 'mine' },
    ]),
  releases: fc.uniqueArray(anyRelease, { selector: ({ target }) => target, maxLength: 25 }),
  nowMs: fc.constant(NOW_MS),
  maintainedUntilMs: fc.constantFrom(null, NOW_MS - 1),
});

/** Installs `target` in a model of an appliance that knows the planner's offers only. */
function install(input: PlanInput, target: string): PlanInput {
  const manifest = input.releases.find((candidate) => candidate.target === target)?.manifest;
  assert.ok(manifest);
  const installed = input.installed.map((known) =>
    known.kind === manifest.kind ? { ...known, version: manifest.version, requires: manifest.requires } : known,
  );
  return { ...input, installed };
}

describe('properties of every plan', () => {
  it('each step of the path is installable when its turn comes, and versions only rise', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        let here = input;
        for (const { action, target, kind, version: to } of plan(input).path) {
          if (action !== 'install') continue;
          const now = plan(here).offers.find(({ release: { target: own } }) => own === target);
          assert.equal(now?.state, 'installable', `${target}: ${JSON.stringify(now?.blockedBy)}`);
          const before = here.installed.find((known) => known.kind === kind)?.version ?? '';
          assert.ok(compareVersions(to ?? '', before) > 0);
          here = install(here, target ?? '');
        }
      }),
      { numRuns: 500 },
    );
  });

  it('after the path nothing newer of the site can be reached, and another plan has no path', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        let here = input;
        for (const { action, target } of plan(input).path) if (action === 'install') here = install(here, target ?? '');
        assert.deepEqual(
          plan(here).path.filter(({ kind }) => kind !== 'licence'),
          [],
        );
      }),
      { numRuns: 500 },
    );
  });

  it('no shorter sequence of installable offers leads to the same versions with as few waits', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const small = { ...input, releases: input.releases.filter(({ manifest }) => manifest.kind !== 'licence').slice(0, 7) };
        const installs = plan(small).path.filter(({ action }) => action === 'install');
        let reached: PlanInput = small;
        for (const { target } of installs) reached = install(reached, target ?? '');
        const cheapest = searched(small, reached);
        const waits = installs.filter(
          ({ target }) =>
            small.releases.find((known) => known.target === target)?.manifest.upgradesClients && target?.startsWith('site/'),
        );
        assert.deepEqual([waits.length, installs.length], cheapest);
      }),
      { numRuns: 150 },
    );
  });

  it('says of each blocked offer what it waits for, and never installs over what breaks', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        for (const { state, blockedBy, release: own } of plan(input).offers) {
          assert.equal(blockedBy.length > 0, state === 'blocked');
          if (state !== 'installable') continue;
          for (const kind of ['base', 'site'] as const) {
            const wanted = own.manifest.requires[kind];
            const version = input.installed.find((known) => known.kind === kind)?.version ?? '';
            if (wanted !== undefined) assert.ok(satisfies(version, wanted));
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

/** The fewest waits, then installations, from `from` to the versions of `to`: by trying everything. */
function searched(from: PlanInput, to: PlanInput): [number, number] | undefined {
  const versions = (input: PlanInput) => input.installed.map(({ version: own }) => own).join();
  let best: [number, number] | undefined;
  const visit = (here: PlanInput, waits: number, installs: number): void => {
    if (best !== undefined && (waits > best[0] || (waits === best[0] && installs >= best[1]))) return;
    if (versions(here) === versions(to)) {
      best = [waits, installs];
      return;
    }
    for (const { state, release: next } of plan(here).offers)
      if (state === 'installable')
        visit(
          install(here, next.target),
          waits + (next.manifest.kind === 'site' && next.manifest.upgradesClients ? 1 : 0),
          installs + 1,
        );
  };
  visit(from, 0, 0);
  return best;
}
