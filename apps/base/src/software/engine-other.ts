/** Licences, downloads without installation, and trials on a copy. */
import { must } from '@bascule/core/must.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { newSlot, type SiteParts } from './engine-site.ts';
import * as packages from './installation-packages.ts';
import type { Procedure } from './installation-run.ts';
import type { Journal } from './journal.ts';
import { Slots } from './slots.ts';

/** A licence package is its manifest alone: nothing of it runs, nothing restarts. */
export function licenceProcedure(parts: packages.PackageParts, journal: Journal): Procedure {
  const manifestOf = (target: string | null) => packages.findRelease(parts, must(target, 'the target')).manifest;
  return {
    outcome: 'installed',
    steps: {
      download: packages.download(parts),
      verify: packages.verify(parts),
      stage: async (work) => {
        if (manifestOf(work.entry().details.target).licence === undefined)
          throw new AppError('invalid', 'PACKAGE_UNLIKE_MANIFEST', 'The licence package holds no licence.');
      },
      commit: async (work) => journal.installLicence(work.id, manifestOf(work.entry().details.target)),
    },
    undo: async () => 'undone',
  };
}

/** B79: here and verified, not installed. */
export function downloadProcedure(parts: packages.PackageParts): Procedure {
  return {
    outcome: 'downloaded',
    steps: { download: packages.download(parts), verify: packages.verify(parts) },
    undo: async () => 'undone',
  };
}

/** B49: the migration and start of a new site on a copy that is thrown away. */
export function trialProcedure(parts: SiteParts): Procedure {
  let scratch: string | undefined;
  return {
    outcome: 'tried',
    steps: {
      download: packages.download(parts),
      verify: packages.verify(parts),
      stage: packages.stage(parts, 'site'),
      snapshot: async (work) => {
        scratch = await packages.makeScratch(parts, work.id);
      },
      candidate: async (work) => {
        const software = Slots.softwareOf(newSlot(parts.slots, work));
        const { startMs, told, detail } = await parts.host.tryOn(software, must(scratch, 'the copy'), work.signal);
        for (const text of told) work.say(text);
        const measured = Object.entries(detail).map(([name, value]) => ({
          code: 'trial-measured',
          state: 'passed' as const,
          text: `${name}: ${value}`,
          params: { name, value: String(value) },
        }));
        work.say(`site ${software.version} migrated the copy and started in ${startMs} ms`);
        for (const { text } of measured) work.say(text);
        work.note({
          verification: [
            {
              code: 'trial-start',
              state: 'passed',
              text: `Site ${software.version} migrated the copy and started in ${startMs} ms`,
              params: { version: software.version, ms: startMs },
            },
            ...measured,
          ],
        });
        await packages.removeScratch(parts, work.id);
      },
    },
    undo: async (work) => {
      await packages.removeScratch(parts, work.id);
      return 'undone';
    },
  };
}
