import { setImmediate as turn } from 'node:timers/promises';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import type { ClientPlatform, ClientProgram } from '@bascule/protocol/client-program.ts';
import type { Losses, PlannedChange } from '@bascule/protocol/losses.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import { SYSTEM, type Context, type Store } from '@bascule/store/store.ts';
import type { KnownConsole } from '../console/console.ts';
import type { AcceptedExtras, BorneRecord, Hello, Jump, SiteIdentity } from '../jump/jump.ts';
import { fingerprintOf } from '../jump/jump.ts';
import { ClientRecords, toBorne, type ReadRecord, type RecordText } from './client-records.ts';
import { consoleFinding, LossList, lookAt, type LossView } from './losses.ts';
import * as rows from './trust-store.ts';

export { trustMigrations } from './trust-migrations.ts';
export { trustRoutes } from './trust-routes.ts';

/** Clients that are looked at without a pause. */
const LOOKED_AT_ONCE = 500;
/** Records made anew in one second only because they are old. */
const RENEWED_PER_SECOND = 100;
/** The number of clients that know more than the database is written this often. */
const RESTORED_WRITE_INTERVAL_MS = 10_000;
/** That missing revocations may reach back further than was said is said again after this time at the earliest. */
const SINCE_TOLD_INTERVAL_MS = 60 * 60_000;
/** What could not be written is tried again after this time; until then nothing is. */
const NOTICE_RETRY_MS = 10_000;
/** Clients that are counted as bearing newer records. */
const NEWER_COUNTED_MAX = 100_000;
/** Every installer that enrols now was made by an earlier version. */
const LATER_THAN_ALL = '1000000.0.0';

const rotated = defineAuditEvent(
  'SITE_IDENTITY_ROTATED',
  'Rotated the site identity: {fingerprintSha256} takes the place of {formerSha256}, which has signed it',
  { waitsForPeer: true },
);
const identityFound = defineAuditEvent(
  'SITE_IDENTITY_FOUND',
  'Found the site identity {fingerprintSha256}, which this database has not seen: renewed at a start, or put there by hand',
);
const databaseOlder = defineAuditEvent(
  'DATABASE_OLDER_THAN_CLIENTS',
  'This database is older than what clients bear: revocations made since {since} may be missing',
);
const restoredCounted = defineAuditEvent(
  'DATABASE_OLDER_COUNTED',
  '{clients:Jump Client bears,Jump Clients bear} a record that is newer than this database',
  { housekeeping: true },
);
const restoredDismissed = defineAuditEvent(
  'DATABASE_OLDER_DISMISSED',
  'Dismissed the warning that this database is older than what clients bear',
);

export interface TrustOptions {
  store: Store;
  identity: SiteIdentity;
  jump: Jump;
  /** How clients reach the site. */
  address(): { host: string; port: number };
  /** SHA-256 (base64) of the web certificate's public key in force. */
  webKeyPin(): string;
  /** Whether the site has client programs for it. */
  hasProgram?(program: ClientProgram, platform: ClientPlatform): boolean;
  /** Installers that enrol now and would not any more in `version`. */
  installers?(version: string): { id: string; name: string }[];
  /** Of a site that was restored, for the records of its clients. */
  line?(): RecordText['site'];
  /** A client bears a record that was made elsewhere. True: this appliance has given way to whoever made it, and the client keeps the record. */
  shown?(line: NonNullable<RecordText['site']> & { epoch: number; appliance: string }): boolean;
  /** Installed consoles that are logged in. */
  consoles?(): KnownConsole[];
  /** Which certificates consoles take (FleetSettings.consoleTls). */
  consoleTls?(): 'refuse' | 'site-identity';
  /** The watch period of this version is over. */
  isCommitted?: boolean;
  mail?: { tell(event: { kind: 'needs-attention'; what: string; advice: string; page: string }): void };
  page?(): string;
  /** Tells open pages that something changed. */
  publish?(): void;
  log: Log;
  now?: () => number;
}

/** I6: who trusts whom through changes of certificate, name and identity, and through a restore. */
export class Trust {
  readonly #options: TrustOptions;
  readonly #store: Store;
  readonly #identity: SiteIdentity;
  readonly #now: () => number;
  readonly #records: ClientRecords;
  /** The record that was read last: `readRecords` and `accepted` follow each other for one client. */
  #lastRead: { clientId: string; record: string; read: ReadRecord | undefined } | undefined;
  #restored: { sinceMs: number; clients: number } | undefined;
  /** What the database holds of it, and what the audit log was told. */
  #written: { sinceMs: number; clients: number } | undefined;
  #told = { sinceMs: Infinity, atMs: 0 };
  #noticeFailedAtMs = -Infinity;
  /** The client that reaches back furthest. */
  #earliest = '';
  /** Clients that bear newer records, of this start. */
  readonly #newer = new Set<string>();
  #renewed = { second: 0, count: 0 };
  #isCommitted: boolean;
  #hasGivenWay = false;
  readonly #timer: NodeJS.Timeout;

  /** Answers from now on what `jump` asks at every connect. */
  constructor(options: TrustOptions) {
    const { store, identity, jump } = options;
    this.#options = options;
    this.#store = store;
    this.#identity = identity;
    this.#now = options.now ?? Date.now;
    const line = options.line === undefined ? undefined : () => options.line?.();
    this.#records = new ClientRecords({ identity, reader: store, now: this.#now, ...(line !== undefined && { line }) });
    this.#isCommitted = options.isCommitted ?? true;
    this.#restored = rows.readRestored(store);
    this.#written = this.#restored;
    if (this.#restored !== undefined) this.#told = { sinceMs: this.#restored.sinceMs, atMs: this.#now() };
    this.#noteIdentity();
    jump.readRecords((clientId, record) => this.#readRecord(clientId, record));
    jump.addAcceptedExtras((clientId, hello) => this.#extras(clientId, hello));
    jump.signRefusals((clientId) => this.#refusal(clientId));
    this.#timer = setInterval(() => this.#writeRestored(), RESTORED_WRITE_INTERVAL_MS).unref();
  }

  /** This version stays: its site identity may be rotated. */
  committed(): void {
    this.#isCommitted = true;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#writeRestored();
  }

  /** For the page about the site identity (protocol `identityState`). */
  identityState() {
    const { fingerprintSha256, sinceMs, expiresAtMs, former } = this.#identity;
    return {
      fingerprintSha256,
      sinceMs,
      expiresAtMs,
      behind: this.#options.jump.countOnline((software) => software.authority !== fingerprintSha256),
      former: former
        .filter(({ crossPem }) => crossPem !== null)
        .map((one) => ({ fingerprintSha256: fingerprintOf(one.certificatePem), sinceMs: one.sinceMs, endedAtMs: one.endedAtMs })),
      restored: this.restored(),
    };
  }

  /** Since when revocations may be missing, and how many clients said so; null when the database is not older than what they bear. */
  restored(): { sinceMs: number; clients: number } | null {
    if (this.#restored === undefined) return null;
    return { sinceMs: this.#restored.sinceMs, clients: Math.max(this.#restored.clients, this.#newer.size) };
  }

  /**
   * A new site identity, cross-signed by the one in force. Throws `IDENTITY_NOT_NOW` while a version is still watched: the version before might not know the new one;
   * and as `SiteIdentity.rotate`.
   */
  async rotate(context: Context): Promise<void> {
    if (!this.#isCommitted)
      throw new AppError(
        'conflict',
        'IDENTITY_NOT_NOW',
        'This version is still watched after its installation, and may be taken back: rotate the site identity when that is over.',
      );
    const nowMs = this.#now();
    const isFinished = await this.#identity.rotate((next) => {
      this.#store.transact(context, rotated(next), (tx) => rows.noteIdentity(tx, next.fingerprintSha256, nowMs));
    });
    if (!isFinished) this.#options.log.error({}, 'site-identity-files-not-finished');
    this.#options.publish?.();
  }

  /** An administrator has looked at what was made while this database did not know it. */
  dismissRestored(context: Context): void {
    if (this.#restored === undefined) return;
    this.#store.transact(context, restoredDismissed({}), (tx) => rows.removeRestored(tx));
    this.#restored = this.#written = undefined;
    this.#newer.clear();
    this.#options.publish?.();
  }

  /** 'Who would I lose?': a dry run of `change` over clients, consoles and installers. Gives way to everything else every few hundred clients. */
  async losses(change: PlannedChange): Promise<Losses> {
    const { jump } = this.#options;
    const { host, port } = this.#options.address();
    const view: LossView = {
      change,
      host,
      port,
      nowMs: this.#now(),
      isFollowedFrom: (authority) => this.#identity.isFollowedFrom(authority, true),
      hasProgram: (program, platform) => this.#options.hasProgram?.(program, platform) ?? true,
    };
    const list = new LossList();
    for (let after = ''; ;) {
      const clients = jump.rowsAfter(after, LOOKED_AT_ONCE);
      for (const row of clients) {
        const { id } = row;
        lookAt(row, { isOnline: jump.isOnline(id), software: jump.softwareOf(id), protocol: jump.protocolOf(id) }, view, list);
      }
      const last = clients.at(-1);
      if (last === undefined) break;
      after = last.id;
      await turn();
    }
    this.#lookAtConsoles(change, list);
    this.#lookAtInstallers(change, list);
    return list.result();
  }

  #lookAtConsoles(change: PlannedChange, list: LossList): void {
    const { host, port } = this.#options.address();
    const view = { host, port, webKeySha256: this.#webKeySha256(), tls: this.#options.consoleTls?.() ?? 'refuse' };
    const finding = consoleFinding(change, view);
    if (finding === undefined) return;
    for (const { id, name, lastSeenAtMs } of this.#options.consoles?.() ?? [])
      list.add({ what: 'console', id, name, ...finding, lastSeenAtMs });
  }

  /** The shell one-liner pins the web key, every key of an installer the site identity, and its files name the address. */
  #lookAtInstallers(change: PlannedChange, list: LossList): void {
    const keySha256 = this.#webKeySha256();
    const { host, port } = this.#options.address();
    if (change.kind === 'certificate' && change.keySha256 === keySha256) return;
    if (
      change.kind === 'host-name' &&
      change.port === port &&
      (change.keepsOldName || change.host.toLowerCase() === host.toLowerCase())
    )
      return;
    const version = change.kind === 'package' ? change.version : LATER_THAN_ALL;
    for (const { id, name } of this.#options.installers?.(version) ?? [])
      list.add({
        what: 'installer',
        id,
        name,
        severity: 'trouble',
        code: 'installer-invalid',
        detail: change.kind,
        lastSeenAtMs: null,
      });
  }

  #webKeySha256(): string {
    return Buffer.from(this.#options.webKeyPin().replace(/^sha256\/\//, ''), 'base64').toString('hex');
  }

  #noteIdentity(): void {
    const { fingerprintSha256, sinceMs } = this.#identity;
    const known = rows.knownIdentity(this.#store);
    if (known === fingerprintSha256) return;
    this.#store.transact(SYSTEM, identityFound({ fingerprintSha256 }), (tx) =>
      rows.noteIdentity(tx, fingerprintSha256, Math.max(sinceMs, this.#now())),
    );
  }

  #read(clientId: string, record: string): ReadRecord | undefined {
    const last = this.#lastRead;
    if (last?.clientId === clientId && last.record === record) return last.read;
    const read = this.#records.read(clientId, record);
    this.#lastRead = { clientId, record, read };
    return read;
  }

  #readRecord(clientId: string, record: string): BorneRecord | undefined {
    const read = this.#read(clientId, record);
    const isKnown = read?.isInHistory === true && this.#options.jump.target(clientId) !== undefined;
    if (read === undefined || isKnown || !read.isSigned()) return undefined;
    if (!read.isInHistory && this.#isGivenWay(read.text)) return undefined;
    if (!read.isInHistory) this.#noteNewer(clientId, read.text.madeAtMs);
    return toBorne(read);
  }

  /** Whether the site goes on elsewhere, by what a client bears. */
  #isGivenWay({ site, history: { epoch, appliance } }: RecordText): boolean {
    const line = site ?? { history: '', sinceMs: 0, replaces: [] };
    this.#hasGivenWay ||= this.#options.shown?.({ ...line, epoch, appliance }) ?? false;
    return this.#hasGivenWay;
  }

  #extras(clientId: string, hello: Hello): AcceptedExtras {
    const authority = hello.software && this.#identity.authorityFor(hello.software.authority);
    const record = this.#recordFor(clientId, hello);
    return { ...(authority !== undefined && { authority }), ...(record !== undefined && { record }) };
  }

  #recordFor(clientId: string, hello: Hello): string | undefined {
    const item = hello.software === undefined ? undefined : this.#options.jump.item(clientId);
    if (item === undefined) return undefined;
    const content = { name: item.name, group: item.groupName, tags: item.tags, state: item.state };
    const read = hello.record === undefined ? undefined : this.#read(clientId, hello.record);
    this.#lastRead = undefined;
    if (this.#hasGivenWay) return undefined;
    const due = this.#records.isDue(read, content);
    if (due === 'fresh' || (due === 'stale' && !this.#mayRenew())) return undefined;
    return this.#records.sign(clientId, content);
  }

  /** For a client that is refused as revoked or deleted. */
  #refusal(clientId: string): string | undefined {
    const item = this.#options.jump.item(clientId);
    const { name, groupName, tags } = item ?? { name: clientId, groupName: null, tags: [] };
    return this.#records.sign(clientId, { name, group: groupName, tags, state: 'revoked' });
  }

  #mayRenew(): boolean {
    const second = Math.floor(this.#now() / 1000);
    if (this.#renewed.second !== second) this.#renewed = { second, count: 0 };
    this.#renewed.count += 1;
    return this.#renewed.count <= RENEWED_PER_SECOND;
  }

  /**
   * The database does not hold what this client was told: it is a copy from before, or another history. Only the first is written at once: a whole fleet may come
   * back, each client with an older record than the one before it, and neither log nor audit log may grow with them.
   */
  #noteNewer(clientId: string, madeAtMs: number): void {
    if (this.#newer.size < NEWER_COUNTED_MAX) this.#newer.add(clientId);
    const before = this.#restored;
    if (before !== undefined && madeAtMs >= before.sinceMs) return;
    if (before === undefined && this.#now() - this.#noticeFailedAtMs < NOTICE_RETRY_MS) return;
    this.#earliest = clientId;
    const sinceMs = rows.lastEventBefore(this.#store, madeAtMs);
    this.#restored = { sinceMs: Math.min(sinceMs, before?.sinceMs ?? Infinity), clients: before?.clients ?? this.#newer.size };
    if (before !== undefined) return;
    this.#told = { sinceMs: Infinity, atMs: -Infinity };
    this.#writeRestored();
    if (this.#written === undefined) {
      this.#noticeFailedAtMs = this.#now();
      this.#restored = undefined;
      return;
    }
    this.#options.mail?.tell({
      kind: 'needs-attention',
      what: `The database of this site is older than what its Jump Clients bear: revocations made since ${minuteOf(sinceMs)} may be missing.`,
      advice: 'Look at the Jump Clients that are to be confirmed, and revoke again what was revoked since then.',
      page: this.#options.page?.() ?? '',
    });
  }

  /** Brings database and audit log up to what this start has seen. */
  #writeRestored(): void {
    if (this.#restored === undefined) return;
    const { sinceMs } = this.#restored;
    const next = { sinceMs, clients: Math.max(this.#restored.clients, this.#newer.size) };
    const nowMs = this.#now();
    const isTold = sinceMs >= this.#told.sinceMs || nowMs - this.#told.atMs < SINCE_TOLD_INTERVAL_MS;
    if (isTold && this.#written?.sinceMs === sinceMs && this.#written.clients === next.clients) return;
    const older = { since: minuteOf(sinceMs), sinceMs, client: this.#earliest };
    const event = isTold ? restoredCounted({ clients: next.clients, sinceMs }) : databaseOlder(older);
    try {
      this.#store.transact(SYSTEM, event, (tx) => rows.writeRestored(tx, next, nowMs));
    } catch (error) {
      this.#options.log.warn({ err: error }, 'restored-not-written');
      return;
    }
    this.#restored = this.#written = next;
    if (isTold) return;
    this.#told = { sinceMs, atMs: nowMs };
    this.#options.log.warn({ sinceMs, client: this.#earliest }, 'database-older-than-clients');
    this.#options.publish?.();
  }
}

function minuteOf(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
