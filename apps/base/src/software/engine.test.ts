import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { AppError } from '@bascule/errors/app-error.ts';
import { INSTALLATION_STEPS, type Installation, type InstallationStep } from '@bascule/protocol/api/updates.ts';
import { ADMINISTRATOR, never, World } from './testing.ts';

type Kind = 'base' | 'site';
const TARGETS = { base: 'base/bascule-base-0.2.0.tar.zst', site: 'site/bascule-site-0.2.0.tar.zst' };
const STEPS: Record<Kind, InstallationStep[]> = {
  site: [...INSTALLATION_STEPS],
  base: ['download', 'verify', 'stage', 'preflight', 'snapshot', 'switch', 'drain', 'watch', 'commit'],
};
const ROLL_BACK_STEPS: Record<Kind, InstallationStep[]> = {
  site: INSTALLATION_STEPS.slice(INSTALLATION_STEPS.indexOf('candidate')),
  base: ['switch', 'drain', 'watch', 'commit'],
};
const FAULTS = ['crash before', 'crash after', 'throw before', 'throw after'] as const;

/** Lets the world's next installation meet one fault at one step. */
function plan(world: World, step: InstallationStep, fault: (typeof FAULTS)[number]): { fired: boolean } {
  const [what, when] = fault.split(' ') as ['crash' | 'throw', 'before' | 'after'];
  const plan = { fired: false };
  world.faultPoint = async (nowStep, nowWhen) => {
    if (plan.fired || nowStep !== step || nowWhen !== when) return;
    plan.fired = true;
    if (what === 'throw') throw new Error('a fault');
    world.crash();
    await never();
  };
  return plan;
}

const install = (world: World, kind: Kind): string =>
  world.engine.install({ target: TARGETS[kind], overrule: [], by: ADMINISTRATOR });

/** I3: the old version works or the new one, the pointers say so, and nothing is left that would stop the next installation. */
async function assertHealthy(
  world: World,
  kind: Kind,
  { outcome, fromVersion, toVersion }: Installation,
  context: string,
): Promise<void> {
  const expected = outcome === 'installed' ? toVersion : fromVersion;
  assert.equal(world.slots.current(kind)?.manifest.version, expected, `${context}: the pointer`);
  if (kind === 'site') assert.equal(world.host.software?.version, expected, `${context}: what runs`);
  else assert.equal(world.bases.at(-1), expected, `${context}: what runs`);
  assert.equal(world.host.ready, true, context);
  assert.equal(world.slots.trial(), undefined, `${context}: no trial is left`);
  assert.equal(world.engine.running(), undefined, context);
  await world.removed();
  for (const folder of ['software/base', 'software/site', 'software/runtimes', 'box/snapshots'])
    if (existsSync(join(world.directory, folder)))
      assert.deepEqual(
        readdirSync(join(world.directory, folder)).filter((name) => /partial|next|trial/.test(name)),
        [],
        context,
      );
}

describe('an installation', () => {
  for (const kind of ['site', 'base'] as const)
    it(`of a ${kind} ends in the new version, and back by button in the old one`, async () => {
      await using world = await World.open();
      world.host.clientsOnline = 3;
      const done = await world.ended(install(world, kind));
      assert.equal(done.outcome, 'installed', JSON.stringify(done.cause));
      assert.deepEqual(
        done.steps.filter(({ state }) => state !== 'skipped').map(({ step, state }) => `${step} ${state}`),
        STEPS[kind].map((step) => `${step} done`),
      );
      await assertHealthy(world, kind, done, 'installed');
      assert.deepEqual(
        done.verification.map(({ code, state }) => `${code} ${state}`),
        [
          'version passed',
          'programs passed',
          'pages passed',
          'database passed',
          'recordings passed',
          'clients passed',
          'test-session skipped',
        ],
      );
      assert.deepEqual(
        world.mails.map(({ event }) => event),
        ['installed'],
      );
      assert.match(world.engine.logOf(done.id), /Ada starts: install/);
      assert.deepEqual(
        world.engine.installed().map((software) => [software.kind, software.version, software.previousVersion]),
        (['base', 'site'] as const).map((one) => (one === kind ? [one, '0.2.0', '0.1.0'] : [one, '0.1.0', null])),
      );
      const back = await world.ended(world.engine.rollBack(kind, ADMINISTRATOR));
      assert.equal(back.outcome, 'installed', JSON.stringify(back.cause));
      await assertHealthy(world, kind, back, 'rolled back');
      assert.equal(world.slots.current(kind)?.manifest.version, '0.1.0');
    });

  for (const kind of ['site', 'base'] as const)
    for (const operation of ['install', 'roll-back'] as const)
      it(`(${operation} of a ${kind}) ends in the old version or the new one, wherever it is cut and whatever throws (I3)`, async () => {
        await using world = await World.open();
        for (const step of operation === 'install' ? STEPS[kind] : ROLL_BACK_STEPS[kind])
          for (const fault of FAULTS) {
            const context = `${fault} ${step}`;
            world.faultPoint = async () => undefined;
            // From the version that this case starts with.
            const wanted = operation === 'install' ? '0.1.0' : '0.2.0';
            if (world.slots.current(kind)?.manifest.version !== wanted)
              await world.ended(wanted === '0.1.0' ? world.engine.rollBack(kind, ADMINISTRATOR) : install(world, kind));
            const previous = world.slots.previous(kind)?.folder;
            const planned = plan(world, step, fault);
            const done = await world.ended(
              operation === 'install' ? install(world, kind) : world.engine.rollBack(kind, ADMINISTRATOR),
            );
            assert.ok(planned.fired || (kind === 'base' && step === 'switch'), context);
            await assertHealthy(world, kind, done, context);
            // Whoever could go back before still can.
            if (done.outcome !== 'installed') assert.equal(world.slots.previous(kind)?.folder, previous, context);
            if (fault.startsWith('throw') && planned.fired) {
              assert.notEqual(done.outcome, 'installed', context);
              assert.match(done.cause?.message ?? '', /a fault/, context);
            }
            if (done.outcome === 'rolled-back') {
              assert.equal(world.engine.rolledBack()?.id, done.id, context);
              world.engine.acknowledge(done.id, ADMINISTRATOR);
              assert.equal(world.engine.rolledBack(), undefined);
            }
          }
      });

  it('that is being taken back goes on being taken back after a crash in the middle of it', async () => {
    for (const step of ['migrate', 'take-write', 'switch', 'watch'] as const) {
      await using world = await World.open();
      plan(world, step, 'throw before');
      let hasCrashed = false;
      world.host.before = (call) => {
        if (call !== 'restore' || hasCrashed) return;
        hasCrashed = true;
        world.crash();
        return never();
      };
      const done = await world.ended(install(world, 'site'));
      assert.ok(hasCrashed, step);
      assert.equal(done.outcome, 'rolled-back', step);
      assert.match(done.cause?.message ?? '', /a fault/, step);
      await assertHealthy(world, 'site', done, step);
    }
  });
});

describe('a version that is not well', () => {
  const rolledBack = async (world: World, kind: Kind, code: string): Promise<Installation> => {
    const done = await world.ended(install(world, kind));
    assert.equal(done.outcome, 'rolled-back');
    assert.equal(done.cause?.code, code, JSON.stringify(done.cause));
    await assertHealthy(world, kind, done, code);
    assert.deepEqual(
      world.mails.map(({ event }) => event),
      ['rolled-back'],
    );
    return done;
  };

  it('is left when it cannot be loaded; the old one was never ended', async () => {
    await using world = await World.open();
    world.host.before = (call) => {
      if (call === 'prepare') throw new AppError('unavailable', 'SITE_CANDIDATE_FAILED', 'no');
    };
    await rolledBack(world, 'site', 'SITE_CANDIDATE_FAILED');
    assert.deepEqual(world.host.served, ['0.1.0']);
  });

  it('is left when its migration throws', async () => {
    await using world = await World.open();
    world.host.before = (call, version) => {
      if (call === 'activate' && version === '0.2.0')
        throw new AppError('unavailable', 'SITE_CANDIDATE_FAILED', 'duplicate column');
    };
    await rolledBack(world, 'site', 'SITE_CANDIDATE_FAILED');
    assert.deepEqual(world.host.served, ['0.1.0', '0.1.0']);
  });

  for (const kind of ['site', 'base'] as const) {
    it(`is left when its programs die again and again (${kind})`, async () => {
      await using world = await World.open();
      world.settings.watchSeconds = 5;
      world.faultPoint = async (step, when) => {
        if (step !== 'watch' || when !== 'before') return;
        setTimeout(() => (world.host.deaths += 3), 5);
      };
      await rolledBack(world, kind, 'CRASH_LOOP');
    });

    it(`is left when its pages do not come (${kind})`, async () => {
      await using world = await World.open();
      world.settings.watchSeconds = 5;
      world.faultPoint = async (step) => {
        if (step === 'watch') world.pageStatus = 503;
      };
      await rolledBack(world, kind, 'SITE_UNHEALTHY');
    });

    it(`is left when most clients do not come back (${kind})`, async () => {
      await using world = await World.open();
      world.host.clientsOnline = 10;
      world.faultPoint = async (step, when) => {
        if (step === 'drain' && when === 'before') world.host.clientsOnline = 4;
      };
      await rolledBack(world, kind, 'CLIENTS_NOT_BACK');
    });
  }

  it('is left when it stays away', async () => {
    await using world = await World.open();
    world.settings.watchSeconds = 5;
    world.faultPoint = async (step, when) => {
      if (step === 'watch' && when === 'before') setTimeout(() => (world.host.ready = false), 5);
    };
    await rolledBack(world, 'site', 'SITE_UNHEALTHY');
  });

  it('of base is never begun when boot says that it cannot be loaded', async () => {
    await using world = await World.open();
    world.candidateFailure = 'it needs a newer Node';
    await rolledBack(world, 'base', 'BASE_CANDIDATE_FAILED');
    assert.deepEqual(world.bases, ['0.1.0']);
  });

  it('of base is given up by boot after its tries, and the old one says so', async () => {
    await using world = await World.open();
    world.candidateDeaths = 3;
    await rolledBack(world, 'base', 'BASE_DID_NOT_STAY');
    assert.deepEqual(world.bases, ['0.1.0', '0.1.0']);
  });
});

describe('what is refused', () => {
  it('is a second installation, an older version, one that does not fit, and going back to nothing', async () => {
    await using world = await World.open();
    const refuses = (work: () => unknown, code: string): void => void assert.throws(work, { code });
    const target = await world.publish(world.manifest('site', '0.0.9'));
    refuses(() => world.engine.install({ target, overrule: [], by: ADMINISTRATOR }), 'INSTALLATION_OLDER');
    const needs = await world.publish(world.manifest('site', '0.3.0', { requires: { base: '>=0.2.0' } }));
    refuses(() => world.engine.install({ target: needs, overrule: [], by: ADMINISTRATOR }), 'INSTALLATION_NOT_FITTING');
    const over = await world.publish(world.manifest('site', '0.4.0', { installsOver: '>=0.2.0' }));
    refuses(() => world.engine.install({ target: over, overrule: [], by: ADMINISTRATOR }), 'INSTALLATION_NOT_FITTING');
    refuses(() => world.engine.install({ target: 'site/none', overrule: [], by: ADMINISTRATOR }), 'INSTALLATION_TARGET_UNKNOWN');
    refuses(() => world.engine.rollBack('site', ADMINISTRATOR), 'INSTALLATION_NO_PREVIOUS');
    const id = install(world, 'site');
    refuses(() => install(world, 'base'), 'INSTALLATION_RUNNING');
    assert.equal((await world.ended(id)).outcome, 'installed');
  });

  it('is base that goes below what the running site needs', async () => {
    await using world = await World.open();
    await world.ended(install(world, 'base'));
    const target = await world.publish(world.manifest('site', '0.3.0', { requires: { base: '>=0.2.0' } }));
    assert.equal((await world.ended(world.engine.install({ target, overrule: [], by: ADMINISTRATOR }))).outcome, 'installed');
    assert.throws(() => world.engine.rollBack('base', ADMINISTRATOR), { code: 'INSTALLATION_NOT_FITTING' });
  });

  it('is what preflight calls red, and amber unless it was overruled by name', async () => {
    await using world = await World.open();
    const line = { code: 'disk-space', text: 'little room', advice: '', params: {}, details: [], overruledBy: null };
    world.preflight = [{ ...line, outcome: 'red' }];
    const red = await world.ended(world.engine.install({ target: TARGETS.site, overrule: ['disk-space'], by: ADMINISTRATOR }));
    assert.deepEqual([red.outcome, red.cause?.code], ['failed', 'PREFLIGHT_RED']);
    world.preflight = [{ ...line, outcome: 'amber' }];
    assert.equal((await world.ended(install(world, 'site'))).cause?.code, 'PREFLIGHT_AMBER');
    const done = await world.ended(world.engine.install({ target: TARGETS.site, overrule: ['disk-space'], by: ADMINISTRATOR }));
    assert.equal(done.outcome, 'installed');
    assert.equal(done.preflight[0]?.overruledBy, 'Ada');
    assert.deepEqual(world.host.served, ['0.1.0', '0.2.0']);
  });

  it('is an archive that was damaged on this disk, and one that says something else than was signed', async () => {
    await using world = await World.open();
    const file = world.fileOf(TARGETS.site);
    const bytes = readFileSync(file);
    bytes[bytes.length - 9]! ^= 1;
    writeFileSync(file, bytes);
    assert.equal((await world.ended(install(world, 'site'))).cause?.code, 'PACKAGE_CORRUPT');
    const target = await world.publish(world.manifest('site', '0.5.0'), world.manifest('site', '0.5.0', { emergency: true }));
    const done = await world.ended(world.engine.install({ target, overrule: [], by: ADMINISTRATOR }));
    assert.equal(done.cause?.code, 'PACKAGE_UNLIKE_MANIFEST');
    await assertHealthy(world, 'site', done, 'unlike');
  });
});

describe('what else the engine does', () => {
  it('is cancelled before the point of no return, and not after it', async () => {
    await using world = await World.open();
    const points: InstallationStep[] = ['download', 'snapshot', 'health'];
    for (const point of points) {
      world.faultPoint = async (step, when) => {
        if (step === point && when === 'before') world.engine.cancel(world.engine.running()!.id, ADMINISTRATOR);
      };
      const done = await world.ended(install(world, 'site'));
      assert.deepEqual([done.outcome, done.cancelRequestedBy, done.step], ['cancelled', 'Ada', point]);
      await assertHealthy(world, 'site', done, point);
    }
    assert.deepEqual(world.host.served, ['0.1.0']);
    let refusal: unknown;
    world.faultPoint = async (step, when) => {
      if (step !== 'freeze' || when !== 'before') return;
      const { id, mayCancel } = world.engine.running()!;
      assert.equal(mayCancel, false);
      try {
        world.engine.cancel(id, ADMINISTRATOR);
      } catch (error) {
        refusal = error;
      }
    };
    assert.equal((await world.ended(install(world, 'site'))).outcome, 'installed');
    assert.equal((refusal as AppError).code, 'INSTALLATION_NOT_CANCELLABLE');
  });

  it('downloads without installing, tries a site on a copy, and records a licence', async () => {
    await using world = await World.open();
    const downloaded = await world.ended(world.engine.download({ target: TARGETS.base, by: ADMINISTRATOR }));
    assert.equal(downloaded.outcome, 'downloaded');
    const tried = await world.ended(world.engine.trial({ target: TARGETS.site, by: ADMINISTRATOR }));
    assert.deepEqual([tried.outcome, tried.verification[0]?.code], ['tried', 'trial-start'], JSON.stringify(tried.cause));
    assert.equal(world.slots.current('site')?.manifest.version, '0.1.0');
    await assertHealthy(world, 'site', { ...tried, outcome: 'rolled-back' }, 'tried');
    const licence = {
      holder: 'Example',
      maintainedUntilMs: 9,
      endpoints: 10,
      concurrentRepresentatives: null,
      expiresAtMs: null,
    };
    const target = await world.publish(world.manifest('licence', '1.0.0', { licence }));
    const done = await world.ended(world.engine.install({ target, overrule: [], by: ADMINISTRATOR }));
    assert.equal(done.outcome, 'installed', JSON.stringify(done.cause));
    assert.deepEqual(world.engine.installed().at(-1)?.licence, licence);
    assert.deepEqual(world.bases, ['0.1.0']);
  });

  it('keeps snapshots and versions by policy, and never removes what may be needed', async () => {
    await using world = await World.open();
    for (const version of ['0.2.0', '0.3.0', '0.4.0', '0.5.0', '0.6.0']) {
      const target = await world.publish(world.manifest('site', version));
      assert.equal((await world.ended(world.engine.install({ target, overrule: [], by: ADMINISTRATOR }))).outcome, 'installed');
    }
    assert.deepEqual(
      world.slots.list('site').map(({ manifest }) => manifest.version),
      ['0.4.0', '0.5.0', '0.6.0'],
    );
    assert.equal(readdirSync(world.paths.snapshots).length, 2);
    assert.equal(world.slots.previous('site')?.manifest.version, '0.5.0');
  });
});
