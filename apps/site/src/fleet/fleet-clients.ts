import { setImmediate as nextTurn } from 'node:timers/promises';
import { compareVersions } from '@bascule/package-format/version.ts';
import { CLIENT_PLATFORMS, clientSoftware, type ClientSoftware } from '@bascule/protocol/client-program.ts';
import { packageVersion } from '@bascule/protocol/package-manifest.ts';
import type { Reader } from '@bascule/store/store.ts';
import { fleetRow, fleetRowsAfter, savedEntry, type FleetRow } from './fleet-store.ts';
import type { UpgradePrograms } from './fleet-options.ts';
import type { QueueCore } from './queue-core.ts';
import type { QueueClient, QueueEntry, Standing } from './queue-types.ts';

/** Rows read in one turn of the program. */
const LOAD_BATCH = 1000;
/** Different texts of what clients say of their software that are kept parsed: nearly all of a fleet say the same. */
const SOFTWARE_TEXTS_MAX = 2000;

/** What is known of a client beside its place in the queue. */
export interface FleetMember {
  id: string;
  name: string;
  hostName: string;
  version: string;
  software: ClientSoftware | undefined;
  lastSeenAtMs: number | null;
}

/** All clients of the database, in memory: small, and read in turns so that a start is not held up by a hundred thousand of them. */
export class FleetClients {
  readonly #reader: Reader;
  readonly #programs: UpgradePrograms;
  readonly #core: QueueCore;
  readonly #rollout: string;
  readonly #members = new Map<string, FleetMember>();
  readonly #softwareTexts = new Map<string, ClientSoftware | undefined>();
  #sorted: FleetMember[] | undefined;
  #isClosed = false;

  constructor(options: { reader: Reader; programs: UpgradePrograms; core: QueueCore; rollout: string }) {
    this.#reader = options.reader;
    this.#programs = options.programs;
    this.#core = options.core;
    this.#rollout = options.rollout;
  }

  get(id: string): FleetMember | undefined {
    return this.#members.get(id);
  }

  all(): IterableIterator<FleetMember> {
    return this.#members.values();
  }

  /** By name; sorted when it is asked for after a change of names. */
  sorted(): readonly FleetMember[] {
    this.#sorted ??= [...this.#members.values()]
      .map((member) => ({ key: `${member.name.toLowerCase()}\n${member.id}`, member }))
      .sort((one, other) => (one.key < other.key ? -1 : 1))
      .map(({ member }) => member);
    return this.#sorted;
  }

  /** Reads all rows, in turns. */
  async load(now: () => number): Promise<void> {
    let after = '';
    while (!this.#isClosed) {
      const rows = fleetRowsAfter(this.#reader, after, LOAD_BATCH);
      for (const row of rows) if (!this.#members.has(row.id)) this.#take(row, now());
      if (rows.length < LOAD_BATCH) return;
      after = rows.at(-1)!.id;
      await nextTurn();
    }
  }

  close(): void {
    this.#isClosed = true;
  }

  /** The client, read from the database when it is not known yet. */
  ensure(id: string, nowMs: number): FleetMember | undefined {
    const known = this.#members.get(id);
    if (known !== undefined) return known;
    const row = fleetRow(this.#reader, id);
    return row === undefined ? undefined : this.#take(row, nowMs);
  }

  /** The row may be another one now. Answers false when there is none any more. */
  reread(id: string, nowMs: number): boolean {
    const row = fleetRow(this.#reader, id);
    if (row === undefined) {
      if (this.#members.delete(id)) this.#sorted = undefined;
      this.#core.remove(id, nowMs);
      return false;
    }
    const member = this.ensure(id, nowMs)!;
    if (member.name !== row.name || member.hostName !== row.hostName) {
      Object.assign(member, { name: row.name, hostName: row.hostName });
      this.#sorted = undefined;
    }
    this.#core.change(this.#client(member, row.groupId, row.state === 'approved'), nowMs);
    return true;
  }

  /** What the client says of itself at a connect; what it said before is forgotten. */
  heard(member: FleetMember, software: ClientSoftware | undefined, version: string): QueueClient {
    member.software = software;
    member.version = version;
    const entry = this.#core.entries.get(member.id);
    return this.#client(member, entry?.groupId ?? null, entry?.isEligible ?? false);
  }

  /** Every standing anew: the programs that are kept here changed. */
  async judgeAll(now: () => number): Promise<void> {
    let done = 0;
    for (const member of this.#members.values()) {
      const entry = this.#core.entries.get(member.id);
      if (entry !== undefined) this.#core.change(this.#client(member, entry.groupId, entry.isEligible), now());
      done += 1;
      if (done % LOAD_BATCH === 0) await nextTurn();
      if (this.#isClosed) return;
    }
  }

  /** How the software compares with the site's; taken as proved unless it is on trial. */
  standing(software: ClientSoftware | undefined, version: string, entry: QueueEntry | undefined): Standing {
    if (software?.trial === true) return 'behind';
    const order = this.#order(software?.version ?? version);
    if (order > 0) return 'ahead';
    if (order === 0) return software !== undefined && isFalseClaim(software, entry) ? 'behind' : 'current';
    if (software?.upgradable !== true) return 'unsupported';
    const platform = CLIENT_PLATFORMS.find((known) => known === software.platform);
    return platform !== undefined && this.#programs.versions(software.program, platform).length > 0 ? 'behind' : 'unsupported';
  }

  /** As what the client is given its next order: not as what it claims without proof. */
  toOrder(id: string): ClientSoftware | undefined {
    const software = this.#members.get(id)?.software;
    const entry = this.#core.entries.get(id);
    if (software === undefined || !isFalseClaim(software, entry)) return software;
    return { ...software, version: entry!.order!.fromVersion };
  }

  #take(row: FleetRow, nowMs: number): FleetMember {
    const software = this.#parse(row.software);
    const { id, name, hostName, lastSeenAtMs } = row;
    const member: FleetMember = { id, name, hostName, version: software?.version ?? row.version, software, lastSeenAtMs };
    this.#members.set(id, member);
    this.#sorted = undefined;
    const saved = savedEntry(row, this.#rollout);
    // Its last `hello` was that of a trial, which the outcome has ended since.
    if (software?.trial === true && saved?.outcome === 'done' && saved.order?.bundle === software.bundle)
      member.software = { ...software, trial: false };
    const standing = this.standing(member.software, member.version, undefined);
    this.#core.add({ id, groupId: row.groupId, standing, isEligible: row.state === 'approved' }, saved, nowMs);
    return member;
  }

  #client(member: FleetMember, groupId: string | null, isEligible: boolean): QueueClient {
    const standing = this.standing(member.software, member.version, this.#core.entries.get(member.id));
    return { id: member.id, groupId, standing, isEligible };
  }

  /** Negative: older than the site. What is no version of ours is older than anything. */
  #order(version: string): number {
    const own = this.#programs.current.version;
    if (version === own) return 0;
    if (!packageVersion.safeParse(own).success || !packageVersion.safeParse(version).success) return -1;
    return compareVersions(version, own);
  }

  #parse(text: string): ClientSoftware | undefined {
    if (text === '') return undefined;
    if (this.#softwareTexts.has(text)) return this.#softwareTexts.get(text);
    const parsed = clientSoftware.safeParse(JSON.parse(text));
    if (this.#softwareTexts.size >= SOFTWARE_TEXTS_MAX) this.#softwareTexts.clear();
    this.#softwareTexts.set(text, parsed.data);
    return parsed.data;
  }
}

/** It says that it runs the version that it was ordered to, but what it runs is something else. */
function isFalseClaim(software: ClientSoftware, entry: QueueEntry | undefined): boolean {
  if (entry?.order === undefined || entry.outcome === 'done' || entry.outcome === 'cancelled') return false;
  return software.bundle !== null && entry.order.version === software.version && entry.order.bundle !== software.bundle;
}

/** Whether the software is what the newest order was about. */
export function fitsOrder(software: ClientSoftware | undefined, entry: QueueEntry | undefined): boolean {
  return (
    software !== undefined &&
    entry?.order !== undefined &&
    software.version === entry.order.version &&
    software.bundle === entry.order.bundle
  );
}
