import type { ToClient } from '@bascule/protocol/control-link.ts';
import { packageVersion } from '@bascule/protocol/package-manifest.ts';
import { compareVersions } from '@bascule/package-format/version.ts';
import type { ProgramFolder } from './program-folder.ts';

type Refused = Extract<ToClient, { kind: 'refused' }>;

/** A client that was installed ahead looks so often whether the appliance was upgraded meanwhile. */
const LOOK_AGAIN_MS = 5 * 60_000;

/** Keeps a client that was installed ahead of its appliance from coming online before the appliance runs that version (B97). */
export class SiteVersionGate {
  readonly #folder: ProgramFolder | undefined;
  #waitsFor: string | null;

  constructor(folder: ProgramFolder | undefined) {
    this.#folder = folder;
    this.#waitsFor = folder?.settings().waitsForVersion ?? null;
  }

  /**
   * Why this client does not say hello to a site of `siteVersion` (from `welcome`; absent before 0.2.0) yet; undefined when it does. Once the site has the version, it
   * is never asked for again: a site that goes back later keeps its clients.
   */
  refusal(siteVersion: string | undefined): Refused | undefined {
    const waitsFor = this.#waitsFor;
    if (waitsFor === null) return undefined;
    if (
      siteVersion !== undefined &&
      packageVersion.safeParse(siteVersion).success &&
      compareVersions(siteVersion, waitsFor) >= 0
    ) {
      this.#waitsFor = null;
      this.#forget();
      return undefined;
    }
    const runs = siteVersion === undefined ? 'an older one' : siteVersion;
    return {
      kind: 'refused',
      code: 'busy',
      message: `This client was installed for version ${waitsFor} of the appliance, which runs ${runs}: it waits until the appliance is upgraded.`,
      retryAfterMs: LOOK_AGAIN_MS,
    };
  }

  /** A disk that is full now is asked again at the next start. */
  #forget(): void {
    try {
      this.#folder?.storeSettings({ ...this.#folder.settings(), waitsForVersion: null });
    } catch {
      // Nothing is lost: the site has the version.
    }
  }
}
