import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { licenceTerms } from '@bascule/protocol/package-manifest.ts';
import type { InstalledSoftware } from './engine-contract.ts';
import type { Journal } from './journal.ts';
import type { Slots } from './slots.ts';

/** Base and site as they are in use, and every licence. `baseFolder`: the version that this process is; undefined from a checkout. */
export function installedSoftware(slots: Slots, journal: Journal, baseFolder: string | undefined): InstalledSoftware[] {
  const software = (['base', 'site'] as const).map((kind) => {
    const slot = kind === 'base' ? slots.read('base', baseFolder) : slots.current('site');
    return {
      kind,
      version: slot?.manifest.version ?? checkoutVersion(),
      revision: slot?.manifest.revision ?? 'checkout',
      installedAtMs: slot === undefined ? null : journal.installedAtMs(kind, slot.folder),
      previousVersion: slots.previous(kind)?.manifest.version ?? null,
      folder: slot?.folder ?? null,
      licence: null,
    };
  });
  const licences = journal.licences().map(({ version, revision, terms, installedAtMs }) => ({
    kind: 'licence' as const,
    version,
    revision,
    installedAtMs,
    previousVersion: null,
    folder: null,
    licence: licenceTerms.parse(JSON.parse(terms)),
  }));
  return [...software, ...licences];
}

/** Of a base that runs from a checkout. */
function checkoutVersion(): string {
  const file = join(import.meta.dirname, '..', '..', '..', '..', 'package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
