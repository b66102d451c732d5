/** What may be begun: from a request to what the journal notes at first. */
import { AppError } from '@bascule/errors/app-error.ts';
import { compareVersions, satisfies } from '@bascule/package-format/version.ts';
import type { Installation } from '@bascule/protocol/api/updates.ts';
import type { PackageManifest } from '@bascule/protocol/package-manifest.ts';
import type { EngineOptions } from './engine-contract.ts';
import { findRelease } from './installation-packages.ts';
import type { Journal, NewInstallation } from './journal.ts';
import { Slots, type Slot } from './slots.ts';

export interface RequestParts {
  shelf: EngineOptions['shelf'];
  slots: Slots;
  journal: Journal;
  baseFolder: string | undefined;
}

type Plan = Omit<NewInstallation, 'steps'>;

/** Throws `INSTALLATION_TARGET_UNKNOWN`, `INSTALLATION_NOT_STAGED`, `INSTALLATION_OLDER`, `INSTALLATION_NOT_FITTING`. */
export function planInstall(parts: RequestParts, target: string, overrule: string[]): Plan {
  const { manifest, sha256 } = findRelease(parts, target);
  const plan = planPackage(parts, 'install', target, manifest, sha256);
  if (manifest.kind !== 'licence') {
    const current = requireStaged(parts, manifest.kind);
    if (compareVersions(manifest.version, current.manifest.version) <= 0)
      throw new AppError(
        'conflict',
        'INSTALLATION_OLDER',
        `${manifest.kind} ${current.manifest.version} is installed already; ${manifest.version} is not newer. To go back, use Roll Back.`,
      );
    if (manifest.installsOver !== null && !satisfies(current.manifest.version, manifest.installsOver))
      throw notFitting(
        `${manifest.kind} ${manifest.version} installs over ${manifest.installsOver}; ${current.manifest.version} is installed`,
      );
  }
  const misfit = parts.slots.misfit(manifest);
  if (misfit !== undefined) throw notFitting(misfit);
  return { ...plan, overrule };
}

/** Throws `INSTALLATION_TARGET_UNKNOWN`. */
export function planDownload(parts: RequestParts, target: string): Plan {
  const { manifest, sha256 } = findRelease(parts, target);
  return planPackage(parts, 'download', target, manifest, sha256);
}

/** Throws `INSTALLATION_TARGET_UNKNOWN`, `INSTALLATION_NO_TRIAL`, `INSTALLATION_NOT_STAGED`. */
export function planTrial(parts: RequestParts, target: string): Plan {
  const { manifest, sha256 } = findRelease(parts, target);
  if (manifest.kind !== 'site')
    throw new AppError(
      'invalid',
      'INSTALLATION_NO_TRIAL',
      'Only site packages can be tried on a copy: only they migrate the site.',
    );
  requireStaged(parts, 'site');
  return planPackage(parts, 'trial', target, manifest, sha256);
}

/** Throws `INSTALLATION_NO_PREVIOUS`, `INSTALLATION_NOT_STAGED`, `INSTALLATION_NOT_FITTING`. */
export function planRollBack(parts: RequestParts, kind: 'base' | 'site'): Plan {
  const current = requireStaged(parts, kind);
  const previous = parts.slots.previous(kind);
  if (previous === undefined)
    throw new AppError('conflict', 'INSTALLATION_NO_PREVIOUS', `No earlier version of ${kind} is on this appliance.`);
  const misfit = parts.slots.misfit(previous.manifest);
  if (misfit !== undefined) throw notFitting(misfit);
  return {
    kind,
    operation: 'roll-back',
    fromVersion: current.manifest.version,
    fromFolder: current.folder,
    toVersion: previous.manifest.version,
    toFolder: previous.folder,
    previousFolder: previous.folder,
    revision: previous.manifest.revision,
    target: null,
    overrule: [],
  };
}

function planPackage(
  { slots, journal }: RequestParts,
  operation: Installation['operation'],
  target: string,
  manifest: PackageManifest,
  sha256: string,
): Plan {
  const { kind, version, revision, licence } = manifest;
  const current = kind === 'licence' ? undefined : slots.current(kind);
  const earlierLicence = journal
    .licences()
    .find(({ terms }) => (JSON.parse(terms) as { holder: string }).holder === licence?.holder);
  return {
    kind,
    operation,
    fromVersion: kind === 'licence' ? (earlierLicence?.version ?? null) : (current?.manifest.version ?? null),
    fromFolder: current?.folder ?? null,
    toVersion: version,
    toFolder: kind === 'licence' ? null : Slots.folderName(version, sha256),
    previousFolder: kind === 'licence' ? null : (slots.previous(kind)?.folder ?? null),
    revision,
    target,
    overrule: [],
  };
}

/** The version in use, when the appliance runs from its slots. */
function requireStaged({ slots, baseFolder }: RequestParts, kind: 'base' | 'site'): Slot {
  const current = slots.current(kind);
  if (baseFolder !== undefined && current !== undefined) return current;
  throw new AppError(
    'conflict',
    'INSTALLATION_NOT_STAGED',
    'This appliance runs straight from a checkout; nothing can be installed there. Start it with npm start.',
  );
}

function notFitting(misfit: string): AppError {
  return new AppError('conflict', 'INSTALLATION_NOT_FITTING', `${misfit}; install what is missing first.`);
}
