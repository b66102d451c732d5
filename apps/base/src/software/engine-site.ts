/** How a version of the site is put in the place of another, and taken back (I1, I3). */
import { must } from '@bascule/core/must.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { SiteCandidate } from '../site-host/site-host.ts';
import * as packages from './installation-packages.ts';
import type { Procedure, Work } from './installation-run.ts';
import { Slots, type Slot } from './slots.ts';
import { clientsOnline, SiteWatch, type WatchParts } from './watch.ts';

export type SiteParts = packages.PackageParts & WatchParts;

/**
 * Installs the site of a package, or (`roll-back`) the one that was in use before. Until `freeze` nothing is changed; from there on the old version comes
 * back when anything fails. Migrations only add, so the old version runs on the new schema: nothing that was written meanwhile is lost (I4). `isResumed`:
 * an earlier base has switched already.
 */
export function siteProcedure(parts: SiteParts, operation: 'install' | 'roll-back', isResumed: boolean): Procedure {
  const { host, slots } = parts;
  const watch = new SiteWatch(parts);
  let candidate: SiteCandidate | undefined;
  let hasFrozen = isResumed;
  let hadWorked = true;
  const prepared = (): SiteCandidate => must(candidate, 'the candidate');
  const fetched: Procedure['steps'] = {
    download: packages.download(parts),
    verify: packages.verify(parts),
    stage: packages.stage(parts, 'site'),
    preflight: packages.preflight(parts),
    snapshot: packages.snapshot(parts),
  };
  return {
    outcome: 'installed',
    steps: {
      ...(operation === 'install' && fetched),
      candidate: async (work) => {
        candidate = await host.prepare(Slots.softwareOf(newSlot(slots, work)), work.signal);
        const { pending } = candidate;
        work.say(pending.length === 0 ? 'loaded; no migration' : `loaded; migrations: ${pending.join(', ')}`);
      },
      health: async (work) => {
        assertWell(await host.health(prepared()));
        work.note({ details: { clientsBefore: (await clientsOnline(host)) ?? null } });
      },
      freeze: async () => {
        hasFrozen = true;
        hadWorked = host.ready;
        await host.freeze(prepared());
      },
      migrate: async (work) => {
        await host.activate(prepared(), (text, done, total) => {
          work.say(text);
          work.progress('checks', done, total);
        });
      },
      'take-write': async () => assertWell(await host.health(prepared())),
      switch: async (work) => {
        // From this rename on the new version is the one that starts.
        slots.point('site', 'current', newSlot(slots, work).folder);
        const unavailableMs = host.route(prepared());
        work.note({ details: { unavailableMs } });
        work.say(`requests were held for ${unavailableMs} ms`);
      },
      drain: watch.drain,
      watch: watch.watch,
      commit: async (work) => slots.point('site', 'previous', oldSlot(slots, work).folder),
    },
    undo: async (work) => {
      const old = oldSlot(slots, work);
      slots.putBack('site', old.folder, work.entry().details.previousFolder);
      if (candidate !== undefined) await host.discard(candidate);
      if (!hasFrozen) return 'undone';
      work.say(`site ${old.manifest.version} is started again`);
      await host.restore(Slots.softwareOf(old));
      if (!hadWorked) {
        work.say(`site ${old.manifest.version} did not work before either, so it is not waited for`);
        return 'undone';
      }
      const outcome = await host.whenReady(parts.limits.restoreMs);
      work.say(
        outcome === 'ready' ? `site ${old.manifest.version} works` : `site ${old.manifest.version} is not ready: ${outcome}`,
      );
      return 'undone';
    },
  };
}

/** What is being installed. */
export function newSlot(slots: Slots, work: Work): Slot {
  const { installation, details } = work.entry();
  const slot = installation.kind === 'licence' ? undefined : slots.read(installation.kind, details.toFolder ?? undefined);
  if (slot !== undefined) return slot;
  throw new AppError('internal', 'SLOT_MISSING', `The folder ${details.toFolder ?? ''} of the new version is gone or damaged.`);
}

/** What was in use before. */
export function oldSlot(slots: Slots, work: Work): Slot {
  const { installation, details } = work.entry();
  const slot = installation.kind === 'licence' ? undefined : slots.read(installation.kind, details.fromFolder ?? undefined);
  if (slot !== undefined) return slot;
  throw new AppError('internal', 'SLOT_MISSING', `The folder ${details.fromFolder ?? ''} of the old version is gone or damaged.`);
}

function assertWell({ ok }: { ok: boolean }): void {
  if (!ok) throw new AppError('unavailable', 'SITE_UNHEALTHY', 'The new version says of itself that it is not well.');
}
