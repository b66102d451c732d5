/** From a download key to one file: who asks, what is missing, and the `.bascule-update` file that holds exactly that (B70-B76). */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '@bascule/errors/app-error.ts';
import { bundleBytes, writeBundle, type BundleAbout, type BundleEntry } from '@bascule/package-format/bundle-file.ts';
import type { TufAuthor } from '@bascule/package-format/tuf-author.ts';
import { readDownloadKey, type DownloadKey } from '@bascule/package-format/download-key.ts';
import type { PathStep } from '@bascule/protocol/api/updates.ts';
import type { PackageKind } from '@bascule/protocol/package-manifest.ts';
import { SYSTEM, type Store } from '@bascule/store/store.ts';
import { missingTargets, offersFor, planFor, type OfferRules } from './offers.ts';
import type { Registry } from './registry.ts';
import type { Repository } from './repository.ts';
import * as events from './server-events.ts';
import { addDownload, downloadedBy, isNonceTaken, listSchedule, takeNonce, type Appliance } from './server-store.ts';

/** One line of the list that whoever redeems a key is shown. */
export interface MissingPackage {
  target: string;
  /** Undefined: the Node runtime that the next package needs. */
  kind: PackageKind | undefined;
  version: string;
  bytes: number;
  isEmergency: boolean;
  /** When this appliance got it before; it may have it again. */
  downloadedAtMs: number | undefined;
}

/** What a download key is good for. */
export interface Redemption {
  key: DownloadKey;
  appliance: Appliance;
  packages: MissingPackage[];
  /** The waits and backups between the packages. */
  path: PathStep[];
}

export interface BundleFile {
  fileName: string;
  bytes: number;
  /** The file itself. When it was read to its end, the ledger says so. */
  content(signal?: AbortSignal): AsyncGenerator<Uint8Array>;
}

export class Bundles {
  readonly #store: Store;
  readonly #repository: Repository;
  readonly #registry: Registry;
  readonly #rules: Omit<OfferRules, 'schedule'>;
  readonly #now: () => number;

  constructor(options: {
    store: Store;
    repository: Repository;
    registry: Registry;
    rules: Omit<OfferRules, 'schedule'>;
    now: () => number;
  }) {
    this.#store = options.store;
    this.#repository = options.repository;
    this.#registry = options.registry;
    this.#rules = options.rules;
    this.#now = options.now;
  }

  /**
   * Reads a download key and lists what is missing. Throws what `readDownloadKey` throws, APPLIANCE_UNKNOWN, DOWNLOAD_KEY_USED (package-format 6.3: a file
   * was sent for it, to the last byte), and NOTHING_TO_INSTALL with the reason as far as the schedule or the maintenance are one.
   */
  redeem(text: string): Redemption {
    const nowMs = this.#now();
    const key = readDownloadKey(text, nowMs);
    const appliance = this.#registry.known(key.applianceId);
    if (isNonceTaken(this.#store, nonceOf(key))) throw keyUsed();
    const releases = this.#repository.releases();
    const downloaded = downloadedBy(this.#store, appliance.id);
    const offers = offersFor(releases, appliance, { ...this.#rules, schedule: listSchedule(this.#store) }, downloaded);
    const plan = planFor(offers, releases, appliance, key.installed, nowMs);
    const licences = plan.offers.filter(({ release }) => release.manifest.kind === 'licence');
    const targets = missingTargets(offers, plan.path, licences, key.installed, downloaded);
    if (targets.length === 0)
      throw nothingToInstall(plan.offers.flatMap(({ blockedBy }) => blockedBy.map(({ reason }) => reason)));
    const packages = targets.map((target): MissingPackage => {
      const release = releases.find((candidate) => candidate.target === target);
      if (release === undefined) throw incomplete(target);
      const { manifest } = release;
      return {
        target,
        kind: manifest?.kind,
        version: manifest?.version ?? '',
        bytes: release.lengthBytes,
        isEmergency: manifest?.emergency ?? false,
        downloadedAtMs: downloaded.get(target),
      };
    });
    return { key, appliance, packages, path: plan.path };
  }

  /** The one file for `redemption`. Throws REPOSITORY_INCOMPLETE when a file of the repository is not there. */
  async bundle(redemption: Redemption, address: string): Promise<BundleFile> {
    const { key, appliance, packages } = redemption;
    const { author, timestamp, validUntilMs } = await this.#repository.forBundle();
    const entries = await this.#entries(redemption, author, timestamp);
    const nowMs = this.#now();
    const about: BundleAbout = {
      format: 'bascule-bundle/1',
      applianceId: key.applianceId,
      applianceName: key.applianceName,
      keyNonce: key.nonce,
      createdAtMs: nowMs,
      validUntilMs,
      packages: packages.map(({ target }) => {
        const { sha256, lengthBytes } = fileOf(author, target);
        return { target, sha256, lengthBytes };
      }),
    };
    const bytes = bundleBytes(about, entries);
    const name = appliance.name.replace(/[^A-Za-z0-9]+/g, '-').replace(/^-+|-+$/g, '') || 'appliance';
    const { length } = packages;
    const targets = packages.map(({ target }) => target);
    const finish = (): void => {
      const named = { appliance: appliance.id, name: appliance.name };
      this.#store.transact(SYSTEM, events.keyRedeemed({ ...named, targets, bytes, nonce: key.nonce }), (tx) => {
        takeNonce(tx, nonceOf(key), key.expiresAtMs, this.#now());
        for (const one of packages)
          addDownload(tx, {
            atMs: this.#now(),
            applianceId: appliance.id,
            applianceName: appliance.name,
            address,
            way: 'bundle',
            target: one.target,
            bytes: one.bytes,
            isWhole: 1,
          });
      });
    };
    return {
      fileName: `${name}-${new Date(nowMs).toISOString().slice(0, 10)}-${length}.bascule-update`,
      bytes,
      async *content(signal) {
        yield* writeBundle(about, entries, signal);
        finish();
      },
    };
  }

  async #entries({ key, packages }: Redemption, author: TufAuthor, timestamp: Buffer | undefined): Promise<BundleEntry[]> {
    const metadata = author.metadataFiles(key.rootVersion).map(async (name): Promise<BundleEntry> => {
      const source = name === 'timestamp.json' && timestamp !== undefined ? timestamp : await author.metadataFile(name);
      if (source === undefined) throw incomplete(name);
      return { name: `metadata/${name}`, source };
    });
    const targets = packages.map(async ({ target }): Promise<BundleEntry> => {
      const found = fileOf(author, target);
      const file = join(author.targetsDirectory, found.relativePath);
      if ((await sizeOf(file, target)) !== found.lengthBytes) throw incomplete(target);
      return { name: `targets/${found.relativePath}`, source: { file, lengthBytes: found.lengthBytes } };
    });
    return Promise.all([...metadata, ...targets]);
  }
}

function fileOf(author: TufAuthor, target: string): NonNullable<ReturnType<TufAuthor['targetFile']>> {
  const found = author.targetFile(target);
  if (found === undefined) throw incomplete(target);
  return found;
}

async function sizeOf(file: string, what: string): Promise<number> {
  const found = await stat(file).catch(() => undefined);
  if (found === undefined || !found.isFile()) throw incomplete(what);
  return found.size;
}

/** Apart from the numbers of questions. */
function nonceOf({ applianceId, nonce }: DownloadKey): string {
  return `key ${applianceId} ${nonce}`;
}

function keyUsed(): AppError {
  return new AppError(
    'conflict',
    'DOWNLOAD_KEY_USED',
    'This download key was redeemed already: it is good for one file. Make a new one on the appliance.',
  );
}

function incomplete(what: string): AppError {
  return new AppError(
    'unavailable',
    'REPOSITORY_INCOMPLETE',
    `The repository of this update server lacks ${what}; tell whoever runs it, and try again later.`,
    { params: { what } },
  );
}

function nothingToInstall(reasons: string[]): AppError {
  if (reasons.includes('not-maintained'))
    return new AppError(
      'not-found',
      'NOTHING_TO_INSTALL_NOT_MAINTAINED',
      'Nothing is to be installed: newer releases came out after the maintenance of this appliance had ended. Ask whoever runs this update server to renew it.',
    );
  if (reasons.includes('not-yet-offered'))
    return new AppError(
      'not-found',
      'NOTHING_TO_INSTALL_YET',
      'Nothing is to be installed yet: newer releases are scheduled for this appliance later.',
    );
  return new AppError(
    'not-found',
    'NOTHING_TO_INSTALL',
    'Nothing is to be installed: this appliance has all that is offered to it.',
  );
}
