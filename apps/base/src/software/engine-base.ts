/** How a version of base is put in the place of another by boot, and taken back (docs/spec/boot.md, 6). */
import { setTimeout as pause } from 'node:timers/promises';
import { AppError } from '@bascule/errors/app-error.ts';
import type { BootDoor } from './engine-contract.ts';
import { newSlot, oldSlot, type SiteParts } from './engine-site.ts';
import * as packages from './installation-packages.ts';
import type { Procedure } from './installation-run.ts';
import { clientsOnline, DRAIN_PER_CLIENT_MS, SiteWatch } from './watch.ts';

/** So often boot starts a version on trial before it goes back. */
export const TRIAL_TRIES = 3;
/** Of the deadline of a trial, besides what its steps may take: restarts in between. */
const DEADLINE_RESERVE_MS = 120_000;

export interface BaseParts extends SiteParts {
  boot: BootDoor;
  /** The version that this process is. */
  baseFolder: string;
  restartBase(): void;
}

/**
 * Installs the base of a package, or (`roll-back`) the one that was in use before. The old base does it up to `switch`; the new one, started by boot with the
 * pointer still on the old, does the rest. Whatever happens to the new one, boot starts the old one again unless the new one has moved the pointer.
 */
export function baseProcedure(parts: BaseParts, operation: 'install' | 'roll-back'): Procedure {
  const { slots, host, boot, limits } = parts;
  const watch = new SiteWatch(parts);
  const fetched: Procedure['steps'] = {
    download: packages.download(parts),
    verify: packages.verify(parts),
    stage: packages.stage(parts, 'base'),
    preflight: packages.preflight(parts),
    snapshot: packages.snapshot(parts),
  };
  return {
    outcome: 'installed',
    steps: {
      ...(operation === 'install' && fetched),
      switch: async (work) => {
        const before = await clientsOnline(host);
        work.note({ details: { clientsBefore: before ?? null } });
        const lifeMs =
          limits.baseStartMs +
          limits.drainMs +
          (before ?? 0) * DRAIN_PER_CLIENT_MS +
          parts.settings().watchSeconds * 1000 +
          DEADLINE_RESERVE_MS;
        const { folder } = newSlot(slots, work);
        slots.writeTrial({ folder, maxTries: TRIAL_TRIES, tries: 0, deadlineMs: Date.now() + lifeMs });
        await boot.tryBase();
        work.say('the new base is loaded; this one stops');
        // Ends by the signal, when boot says `stop`.
        await pause(limits.baseStopMs, undefined, { signal: work.signal });
        throw new AppError('unavailable', 'BASE_CANDIDATE_FAILED', 'boot did not stop this base for the new one.');
      },
      drain: async (work) => {
        const { stoppedAtMs } = work.entry().details;
        const outcome = await watch.drain(work);
        if (stoppedAtMs !== null) work.say('the site works under the new base');
        return outcome;
      },
      watch: watch.watch,
      commit: async (work) => {
        slots.point('base', 'current', parts.baseFolder);
        slots.point('base', 'previous', oldSlot(slots, work).folder);
        slots.removeTrial();
      },
    },
    undo: async (work) => {
      const old = oldSlot(slots, work);
      slots.putBack('base', old.folder, work.entry().details.previousFolder);
      slots.removeTrial();
      if (old.folder === parts.baseFolder) return 'undone';
      work.say(`base ends, for boot to start ${old.manifest.version} again`);
      parts.restartBase();
      return 'handed-over';
    },
  };
}
