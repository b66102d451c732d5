/**
 * What may be installed now, what must come first, and the way from what is installed to the newest (B53-B61, B82-B89). Pure: the appliance and the
 * update server ask the same rules.
 *
 * Rules: a package installs when its `requires` hold for what is installed, when what is installed of its kind is in its range `installsOver`, and when what
 * stays can live with it. Versions only rise.
 */
import type { Offer, PathStep } from '@bascule/protocol/api/updates.ts';
import type { PackageKind, PackageManifest } from '@bascule/protocol/package-manifest.ts';
import { compareVersions, satisfies } from './version.ts';

/** Releases of one kind that a path is searched through; the newest count. A hundred are eight years of monthly ones. */
export const PLANNED_RELEASES_MAX = 100;

export interface InstalledPackage {
  kind: PackageKind;
  version: string;
  /** What it needs of the others, when its manifest is known: a package that breaks it is not installed. */
  requires?: PackageManifest['requires'] | undefined;
  /** Of licences: each holder has versions of its own. */
  holder?: string | undefined;
}

export interface KnownRelease {
  target: string;
  manifest: PackageManifest;
  downloadBytes: number;
  /** From when on this appliance may have it (B42): 0 for everybody at once, null when that is not settled. */
  offeredFromMs: number | null;
}

export interface PlanInput {
  installed: readonly InstalledPackage[];
  releases: readonly KnownRelease[];
  nowMs: number;
  /** Releases made later are not for this appliance (B211, B212); null for no such limit. */
  maintainedUntilMs: number | null;
  /** Clients of the site in use that are not through with its upgrade: the next site package waits for them. Absent: nobody is waited for. */
  waitingClients?: PathStep['clients'];
}

export interface PlannedOffer {
  release: KnownRelease;
  state: Offer['state'];
  blockedBy: Offer['blockedBy'];
}

export interface Plan {
  /** Of all releases: base, then site, then licences; the newest of each kind first. */
  offers: PlannedOffer[];
  /** From here to the newest that can be reached; empty when nothing is to be done. */
  path: PathStep[];
}

type Blocker = Offer['blockedBy'][number];
type Sequential = 'base' | 'site';

/** One version of base or site that is installed (the first of its kind) or can be. What it fits is known by position, since a search asks it often. */
interface Stage {
  /** Undefined when nothing is installed. */
  version: string | undefined;
  requires: PackageManifest['requires'];
  /** Undefined for what is installed. */
  release: KnownRelease | undefined;
  /** Over which stages of its own kind it installs. */
  over: boolean[];
  /** With which stages of the other kind it works. */
  beside: boolean[];
}

/** Says of every release whether it may be installed, and lays the path. Takes milliseconds for hundreds of releases. */
export function plan(input: PlanInput): Plan {
  const graph = new UpgradeGraph(input);
  const path = graph.pathTo(graph.best());
  return {
    offers: input.releases.map((release) => offerOf(release, input, graph)).sort(byKindAndVersion),
    path: stepsOf(withLicences(path, input), input),
  };
}

/**
 * The targets that an appliance lacks for `path`, in order, each runtime before the package that needs it first. `runtimes` are the SHA-256 of those that
 * it has.
 */
export function targetsOfPath(
  path: readonly PathStep[],
  releases: readonly KnownRelease[],
  runtimes: readonly string[],
): string[] {
  const targets = new Set<string>();
  for (const { action, target } of path) {
    const release = action === 'install' ? releases.find((candidate) => candidate.target === target) : undefined;
    if (release === undefined) continue;
    const { runtime } = release.manifest;
    if (runtime !== null && !runtimes.includes(runtime)) targets.add(runtimeTarget(runtime));
    targets.add(release.target);
  }
  return [...targets];
}

/** The TUF target of the Node runtime whose archive has this SHA-256. */
export function runtimeTarget(sha256: string): string {
  return `runtime/${sha256}.tar.zst`;
}

function offerOf(release: KnownRelease, input: PlanInput, graph: UpgradeGraph): PlannedOffer {
  const { kind, version } = release.manifest;
  const installed = installedOf(input.installed, release);
  if (installed !== undefined) {
    const order = compareVersions(version, installed.version);
    if (order <= 0) return { release, state: order === 0 ? 'installed' : 'older', blockedBy: [] };
  }
  const blockedBy = [...withheld(release, input)];
  const { installsOver } = release.manifest;
  if (installsOver !== null && installed !== undefined && !satisfies(installed.version, installsOver))
    blockedBy.push(graph.blocker(release, 'installs-over', kind, installsOver));
  for (const other of ['base', 'site'] as const) {
    const range = release.manifest.requires[other];
    if (range !== undefined && !holds(range, versionOf(input.installed, other)))
      blockedBy.push(graph.blocker(release, 'requires', other, range));
  }
  const broken = brokenBy(release, input.installed);
  if (broken !== undefined) blockedBy.push(graph.blockerThatLivesWith(release, broken));
  return { release, state: blockedBy.length === 0 ? 'installable' : 'blocked', blockedBy };
}

/** Why the update server or the maintenance contract keeps a release back. */
function withheld({ manifest, offeredFromMs }: KnownRelease, { nowMs, maintainedUntilMs }: PlanInput): Blocker[] {
  const nothing = { kind: null, version: null, range: null };
  const reasons: Blocker[] = [];
  // A licence is how the maintenance goes on: it is never kept back for its end.
  if (manifest.kind !== 'licence' && maintainedUntilMs !== null && manifest.releasedAtMs > maintainedUntilMs)
    reasons.push({ reason: 'not-maintained', ...nothing, atMs: maintainedUntilMs });
  if (offeredFromMs === null || offeredFromMs > nowMs)
    reasons.push({ reason: 'not-yet-offered', ...nothing, atMs: offeredFromMs });
  return reasons;
}

function installedOf(installed: readonly InstalledPackage[], { manifest }: KnownRelease): InstalledPackage | undefined {
  return installed.find(
    ({ kind, holder }) => kind === manifest.kind && (kind !== 'licence' || holder === manifest.licence?.holder),
  );
}

function versionOf(installed: readonly InstalledPackage[], kind: Sequential): string | undefined {
  return installed.find((candidate) => candidate.kind === kind)?.version;
}

function holds(range: string | undefined, version: string | undefined): boolean {
  return range === undefined || (version !== undefined && satisfies(version, range));
}

/** The installed package that works now and would not work beside `release`. */
function brokenBy(
  { manifest }: KnownRelease,
  installed: readonly InstalledPackage[],
): { kind: Sequential; range: string } | undefined {
  const { kind, version } = manifest;
  if (kind === 'licence') return undefined;
  const other = kind === 'base' ? 'site' : 'base';
  const range = installed.find((candidate) => candidate.kind === other)?.requires?.[kind];
  return range !== undefined && holds(range, versionOf(installed, kind)) && !holds(range, version)
    ? { kind: other, range }
    : undefined;
}

/**
 * All pairs of a base and a site that can be reached. Every step raises one of the two, so one pass from the lowest pair on finds the cheapest way to each:
 * fewest site versions whose clients upgrade (each costs a wait), then fewest steps, then base before site (B57).
 */
class UpgradeGraph {
  readonly #bases: Stage[];
  readonly #sites: Stage[];
  /** By `base * sites + site`. */
  readonly #reached = new Map<number, { cost: Cost; from: number | undefined; release: KnownRelease | undefined }>();
  readonly #releases: readonly KnownRelease[];

  constructor(input: PlanInput) {
    this.#releases = input.releases;
    this.#bases = stages('base', input);
    this.#sites = stages('site', input);
    measure('base', this.#bases, this.#sites);
    measure('site', this.#sites, this.#bases);
    this.#reached.set(0, { cost: [0, 0, 0], from: undefined, release: undefined });
    for (let base = 0; base < this.#bases.length; base++)
      for (let site = 0; site < this.#sites.length; site++) this.#leave(base, site);
  }

  /** The pair with the newest site, and of those the newest base. */
  best(): number {
    let best = 0;
    for (const node of this.#reached.keys()) {
      const [base, site] = this.#pair(node);
      const [bestBase, bestSite] = this.#pair(best);
      if (site > bestSite || (site === bestSite && base > bestBase)) best = node;
    }
    return best;
  }

  /** What is installed on the way to `node`, in order. */
  pathTo(node: number): KnownRelease[] {
    const way: KnownRelease[] = [];
    for (let reached = this.#reached.get(node); reached?.from !== undefined; reached = this.#reached.get(reached.from))
      if (reached.release !== undefined) way.unshift(reached.release);
    return way;
  }

  /** What must come first so that `release` fits `range` of `kind`: what the path to it installs, else the newest that would do. */
  blocker(release: KnownRelease, reason: 'requires' | 'installs-over', kind: PackageKind, range: string): Blocker {
    const fits = ({ manifest, target }: KnownRelease): boolean =>
      manifest.kind === kind &&
      target !== release.target &&
      satisfies(manifest.version, range) &&
      (kind !== release.manifest.kind || compareVersions(manifest.version, release.manifest.version) < 0);
    const version = (this.#wayTo(release).findLast(fits) ?? newest(this.#releases.filter(fits)))?.manifest.version ?? null;
    return { reason, kind, version, range, atMs: null };
  }

  /** What must replace the installed package of `kind` first, since it cannot live with `release`. */
  blockerThatLivesWith(release: KnownRelease, { kind, range }: { kind: Sequential; range: string }): Blocker {
    const own = release.manifest.kind;
    const fits = ({ manifest }: KnownRelease): boolean =>
      manifest.kind === kind && own !== 'licence' && holds(manifest.requires[own], release.manifest.version);
    const version = (this.#wayTo(release).findLast(fits) ?? newest(this.#releases.filter(fits)))?.manifest.version ?? null;
    return { reason: 'requires', kind, version, range, atMs: null };
  }

  /** What is installed before `release` on the cheapest way that ends with it. */
  #wayTo(release: KnownRelease): KnownRelease[] {
    let cheapest: { node: number; cost: Cost } | undefined;
    for (const [node, reached] of this.#reached)
      if (reached.release === release && (cheapest === undefined || isCheaper(reached.cost, cheapest.cost)))
        cheapest = { node, cost: reached.cost };
    return cheapest === undefined ? [] : this.pathTo(cheapest.node).slice(0, -1);
  }

  #leave(base: number, site: number): void {
    const from = base * this.#sites.length + site;
    const cost = this.#reached.get(from)?.cost;
    if (cost === undefined) return;
    for (let next = base + 1; next < this.#bases.length; next++)
      if (installs(this.#bases, base, next, this.#sites, site))
        this.#reach(next * this.#sites.length + site, from, this.#bases[next], [cost[0], cost[1] + 1, cost[2]]);
    for (let next = site + 1; next < this.#sites.length; next++) {
      if (!installs(this.#sites, site, next, this.#bases, base)) continue;
      const waits = this.#sites[next]?.release?.manifest.upgradesClients === true ? 1 : 0;
      this.#reach(base * this.#sites.length + next, from, this.#sites[next], [
        cost[0] + waits,
        cost[1] + 1,
        cost[2] + this.#bases.length - base,
      ]);
    }
  }

  #reach(node: number, from: number, stage: Stage | undefined, cost: Cost): void {
    const known = this.#reached.get(node);
    if (known === undefined || isCheaper(cost, known.cost)) this.#reached.set(node, { cost, from, release: stage?.release });
  }

  #pair(node: number): [base: number, site: number] {
    return [Math.floor(node / this.#sites.length), node % this.#sites.length];
  }
}

/** Waits, steps, and how far base was behind at each site version. */
type Cost = [waits: number, steps: number, baseBehind: number];

function isCheaper(one: Cost, other: Cost): boolean {
  const differs = one.findIndex((value, index) => value !== other[index]);
  return differs >= 0 && (one[differs] ?? 0) < (other[differs] ?? 0);
}

/** What is installed of `kind`, then every release of it that is newer and not withheld, rising. */
function stages(kind: Sequential, input: PlanInput): Stage[] {
  const installed = input.installed.find((candidate) => candidate.kind === kind);
  const stage = (version: string | undefined, requires: Stage['requires'], release: KnownRelease | undefined): Stage => ({
    version,
    requires,
    release,
    over: [],
    beside: [],
  });
  const newer = input.releases
    .filter(({ manifest }) => manifest.kind === kind)
    .filter(({ manifest }) => installed === undefined || compareVersions(manifest.version, installed.version) > 0)
    .filter((release) => withheld(release, input).length === 0)
    .sort((one, other) => compareVersions(one.manifest.version, other.manifest.version))
    .slice(-PLANNED_RELEASES_MAX);
  return [
    stage(installed?.version, installed?.requires ?? {}, undefined),
    ...newer.map((release) => stage(release.manifest.version, release.manifest.requires, release)),
  ];
}

/** Fills in `over` and `beside` of the stages of `kind`. Equal ranges are looked at once. */
function measure(kind: Sequential, own: readonly Stage[], others: readonly Stage[]): void {
  const answers = new Map<string, boolean[]>();
  const fitting = (range: string | undefined, among: readonly Stage[]): boolean[] => {
    const key = `${among === own ? 'own' : 'other'} ${range}`;
    const answer = answers.get(key) ?? among.map(({ version }) => holds(range, version));
    answers.set(key, answer);
    return answer;
  };
  for (const stage of own) {
    const installsOver = fitting(stage.release?.manifest.installsOver ?? undefined, own);
    const ownRange = fitting(stage.requires[kind], own);
    // Over nothing it installs in any case.
    stage.over = own.map(({ version }, at) => ownRange[at] === true && (version === undefined || installsOver[at] === true));
    stage.beside = fitting(stage.requires[kind === 'base' ? 'site' : 'base'], others);
  }
}

/** Whether `own[next]` installs over `own[here]` while `others[other]` stays: what it breaks must be broken already. */
function installs(own: readonly Stage[], here: number, next: number, others: readonly Stage[], other: number): boolean {
  const stage = own[next];
  if (stage?.over[here] !== true || stage.beside[other] !== true) return false;
  const stays = others[other]?.beside;
  return stays?.[next] === true || stays?.[here] !== true;
}

/** Puts the newest licence of each holder where its requirements hold first, after the base packages (B59). */
function withLicences(path: readonly KnownRelease[], input: PlanInput): KnownRelease[] {
  const result = [...path];
  const holders = new Map<string | undefined, KnownRelease[]>();
  for (const release of input.releases) {
    const { kind, licence, version } = release.manifest;
    const installed = installedOf(input.installed, release);
    if (kind !== 'licence' || withheld(release, input).length > 0) continue;
    if (installed === undefined || compareVersions(version, installed.version) <= 0) continue;
    holders.set(licence?.holder, [...(holders.get(licence?.holder) ?? []), release]);
  }
  for (const releases of holders.values()) {
    const release = newest(releases.filter(({ manifest, target }) => installsOverFits(manifest, input, target)));
    const at = release === undefined ? -1 : firstFit(result, release, input.installed);
    if (release !== undefined && at >= 0) result.splice(at, 0, release);
  }
  return result;
}

function installsOverFits(manifest: PackageManifest, input: PlanInput, target: string): boolean {
  const installed = installedOf(input.installed, { target, manifest, downloadBytes: 0, offeredFromMs: 0 });
  const { installsOver } = manifest;
  return installsOver === null || installed === undefined || satisfies(installed.version, installsOver);
}

/** The first position from the last base package on at which the requirements of `release` hold; -1 for none. */
function firstFit(path: readonly KnownRelease[], release: KnownRelease, installed: readonly InstalledPackage[]): number {
  const { requires } = release.manifest;
  const afterBase = path.findLastIndex(({ manifest }) => manifest.kind === 'base') + 1;
  const versionAt = (kind: Sequential, position: number): string | undefined =>
    path.slice(0, position).findLast(({ manifest }) => manifest.kind === kind)?.manifest.version ?? versionOf(installed, kind);
  for (let at = afterBase; at <= path.length; at++)
    if (holds(requires.base, versionAt('base', at)) && holds(requires.site, versionAt('site', at))) return at;
  return -1;
}

/**
 * B58: a backup directly before each site package; B85, B86: a wait after a site package whose clients upgrade, when another site package follows, and before
 * the first one for the clients of the site in use. A wait is over when the fleet is settled, or when a person overrules it.
 */
function stepsOf(path: readonly KnownRelease[], { installed, waitingClients }: PlanInput): PathStep[] {
  const steps: PathStep[] = [];
  const firstSite = path.find(({ manifest }) => manifest.kind === 'site');
  for (const [index, { target, manifest, downloadBytes }] of path.entries()) {
    const { kind, version } = manifest;
    const named = { kind, version, target };
    if (waitingClients !== undefined && target === firstSite?.target) steps.push(waitNow(waitingClients, installed));
    if (kind === 'site')
      steps.push({
        action: 'back-up',
        ...named,
        downloadBytes: null,
        reason: `Make a backup directly before site ${version}, then install it at once.`,
      });
    steps.push({ action: 'install', ...named, downloadBytes, reason: '' });
    const siteFollows = path.slice(index + 1).some((later) => later.manifest.kind === 'site');
    if (kind !== 'site' || !manifest.upgradesClients || !siteFollows) continue;
    steps.push({
      action: 'wait-for-clients',
      ...named,
      downloadBytes: null,
      reason: `Client programs of site ${version} are upgraded before the next site package: wait until all that were seen in the last 30 days are through.`,
    });
  }
  return steps;
}

function waitNow(clients: NonNullable<PathStep['clients']>, installed: readonly InstalledPackage[]): PathStep {
  const version = versionOf(installed, 'site') ?? null;
  const { pending, total, absent, failed } = clients;
  return {
    action: 'wait-for-clients',
    kind: 'site',
    version,
    target: null,
    downloadBytes: null,
    reason: `${pending} of ${total} clients are not upgraded to site ${version ?? ''} yet (${absent} away, ${failed} failed).`,
    clients,
  };
}

const KIND_ORDER: Record<PackageKind, number> = { base: 0, site: 1, licence: 2 };

function byKindAndVersion({ release: one }: PlannedOffer, { release: other }: PlannedOffer): number {
  return (
    KIND_ORDER[one.manifest.kind] - KIND_ORDER[other.manifest.kind] ||
    compareVersions(other.manifest.version, one.manifest.version) ||
    (one.target < other.target ? -1 : 1)
  );
}

function newest(releases: readonly KnownRelease[]): KnownRelease | undefined {
  return releases.toSorted((one, other) => compareVersions(other.manifest.version, one.manifest.version))[0];
}
