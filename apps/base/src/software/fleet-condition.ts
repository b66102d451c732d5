/** Whether the clients of the installed site are through with their upgrades: what the planner's waits are measured by (B82-B89). */
import type { FleetState } from './installer-host.ts';

/** Older sites do not answer: after this they are not waited for (B86). */
export const CLIENT_WAIT_MS = 24 * 60 * 60_000;
/** An answer counts for so long. */
export const FLEET_KNOWN_MS = 15 * 60_000;
/** Asked no more often than this while somebody looks at the plan. */
export const FLEET_ASK_INTERVAL_MS = 30_000;

/**
 * `settled`: nobody would be left behind by the next site package. `pending`: somebody would, or nobody can tell yet. `unknown`: the site does not answer the
 * question; then `leftMs` of `CLIENT_WAIT_MS` are left since it was installed.
 */
export type FleetCondition =
  { state: 'settled' | 'pending'; fleet: FleetState } | { state: 'unknown'; leftMs: number } | { state: 'no-site' };

export interface FleetConditionOptions {
  host: { readonly ready: boolean; fleet(): Promise<FleetState> };
  /** The site in use, and since when; null when it was not installed by this appliance. */
  site(): { version: string; installedAtMs: number | null };
  nowMs(): number;
}

/** Asks the site, and keeps its last answer for those who cannot wait. */
export class FleetConditions {
  readonly #options: FleetConditionOptions;
  /** Of that version of the site. */
  #known: { fleet: FleetState; version: string; atMs: number } | undefined;
  #askedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: FleetConditionOptions) {
    this.#options = options;
  }

  /** Asks now. Takes seconds when the site is one that does not know the question. Never rejects. */
  async ask(): Promise<FleetCondition> {
    const { host, site, nowMs } = this.#options;
    this.#askedAtMs = nowMs();
    const { version } = site();
    if (!host.ready) {
      this.#known = undefined;
      return { state: 'no-site' };
    }
    const fleet = await host.fleet().catch(() => undefined);
    this.#known = fleet && { fleet, version, atMs: nowMs() };
    return this.latest();
  }

  /** Asks unless that was done just now; whoever shows the plan does not wait for it. Gives whether it asked. */
  async askIfOld(): Promise<boolean> {
    if (Math.abs(this.#options.nowMs() - this.#askedAtMs) < FLEET_ASK_INTERVAL_MS) return false;
    await this.ask();
    return true;
  }

  /** What is known without asking. */
  latest(): FleetCondition {
    const { site, nowMs } = this.#options;
    const { version, installedAtMs } = site();
    const known = this.#known;
    if (known !== undefined && known.version === version && Math.abs(nowMs() - known.atMs) < FLEET_KNOWN_MS)
      return { state: known.fleet.isSettled ? 'settled' : 'pending', fleet: known.fleet };
    const passedMs = installedAtMs === null ? CLIENT_WAIT_MS : Math.max(0, nowMs() - installedAtMs);
    return { state: 'unknown', leftMs: Math.max(0, CLIENT_WAIT_MS - passedMs) };
  }
}

/** Whether the next site package has to wait. A site that does not run keeps nothing waiting: it may be the package that mends it. */
export function mustWait(condition: FleetCondition): boolean {
  if (condition.state === 'unknown') return condition.leftMs > 0;
  return condition.state === 'pending';
}
