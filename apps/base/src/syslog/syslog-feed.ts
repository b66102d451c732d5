import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '@bascule/log/log.ts';
import type { FromSite } from '@bascule/protocol/base-site.ts';
import type { HealthAlarm } from '@bascule/protocol/api/health.ts';
import type { Store } from '@bascule/store/store.ts';
import { SEVERITY, type SyslogRecord } from './syslog-message.ts';
import type { SyslogSpool } from './syslog-spool.ts';

/** Events that are taken at once; the next batch acknowledges them. */
export const FEED_BATCH = 200;
const SITE_INTERVAL_MS = 2_000;
/** Several changes of box.db are one look. */
const BOX_PAUSE_MS = 100;
export const HEAD_INTERVAL_MS = 60 * 60_000;

type AuditBatch = Extract<FromSite, { kind: 'audit-batch' }>;
export type Position = NonNullable<SyslogRecord['position']>;
/** Where each source is; the head's: when the newest signed one was made. */
export interface FeedPositions {
  box: number | null;
  site: Position | null;
  headMs: number;
}

export interface SyslogFeedOptions {
  store: Store;
  spool: SyslogSpool;
  /** From where to go on; filled in further by the feed. */
  positions: FeedPositions;
  /** Asks main. Throws while it is away. */
  siteAudit(after: Position | null, headAfterMs: number, limit: number): Promise<Omit<AuditBatch, 'kind' | 'nonce'>>;
  /** There is something new in the spool, or positions have changed. */
  changed(): void;
  log: Log;
  now: () => number;
}

interface EventRow {
  id: string;
  appliance: string;
  epoch: number;
  sequence: number;
  atMs: number;
  code: string;
  actorKind: string;
  actorName: string;
  address: string;
  summary: string;
  hash: string;
}

const AFTER = `SELECT id, appliance, epoch, sequence, at_ms AS atMs, code, actor_kind AS actorKind, actor_name AS actorName, address, summary, hash
  FROM audit_event WHERE sequence > ? ORDER BY sequence LIMIT ?`;
const NEWEST = 'SELECT sequence, hash, appliance, epoch FROM audit_event ORDER BY sequence DESC LIMIT 1';

/** Puts what is audited, at the box and at the site, into the spool: from where it was before a restart, so that nothing is missing. */
export class SyslogFeed {
  readonly #options: SyslogFeedOptions;
  readonly #closing = new AbortController();
  readonly #unlisten: () => void;
  #boxTimer: NodeJS.Timeout | undefined;
  readonly #headTimer: NodeJS.Timeout;
  readonly #loop: Promise<void>;

  constructor(options: SyslogFeedOptions) {
    this.#options = options;
    this.#unlisten = options.store.onAppended(() => {
      this.#boxTimer ??= setTimeout(() => this.#takeBox(), BOX_PAUSE_MS).unref();
    });
    this.#takeBox();
    this.#addBoxHead();
    this.#headTimer = setInterval(() => this.#addBoxHead(), HEAD_INTERVAL_MS).unref();
    this.#loop = this.#takeSite();
  }

  /** An alarm, which is no audit event alone. */
  addAlarm({ code, raisedAtMs, text }: HealthAlarm): void {
    this.#append([{ atMs: raisedAtMs, source: 'alarms', severity: SEVERITY.alert, code: 'ALARM', data: { alarm: code }, text }]);
  }

  async close(): Promise<void> {
    this.#unlisten();
    clearTimeout(this.#boxTimer);
    clearInterval(this.#headTimer);
    this.#closing.abort();
    await this.#loop;
  }

  /** Takes what is there now; for a test, and before a stop. */
  flush(): void {
    this.#takeBox();
  }

  #takeBox(): void {
    clearTimeout(this.#boxTimer);
    this.#boxTimer = undefined;
    const { store, positions } = this.#options;
    try {
      const newest = store.get<{ sequence: number }>(NEWEST)?.sequence ?? 0;
      // Beyond the newest one: box.db was put back to an earlier state.
      positions.box = Math.min(positions.box ?? newest, newest);
      for (;;) {
        const rows: EventRow[] = store.all<EventRow>(AFTER, positions.box, FEED_BATCH);
        const last = rows.at(-1);
        if (last === undefined || !this.#append(rows.map((row) => auditRecord('box-audit', row)))) return;
        positions.box = last.sequence;
      }
    } catch (error) {
      this.#options.log.warn({ err: error }, 'syslog.box-audit-not-read');
    }
  }

  async #takeSite(): Promise<void> {
    const { positions, siteAudit, log } = this.#options;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      let isMore = false;
      try {
        const batch = await siteAudit(positions.site, positions.headMs, FEED_BATCH);
        isMore = this.#takeBatch(batch);
      } catch (error) {
        // It starts, is stopped, or is older than this question: the position stays.
        log.debug({ error: (error as Error).message }, 'syslog.site-audit-not-read');
      }
      if (!isMore) await delay(SITE_INTERVAL_MS, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  /** Whether there may be more at once. */
  #takeBatch({ position, events, head }: Omit<AuditBatch, 'kind' | 'nonce'>): boolean {
    if (position.epoch === 0) return false;
    const { positions } = this.#options;
    const records = events.map((event) => auditRecord('site-audit', event));
    if (head !== null) records.push(headRecord(head));
    if (!this.#append(records)) return false;
    positions.site = position;
    if (head !== null) positions.headMs = head.atMs;
    if (records.length > 0) this.#options.changed();
    return events.length > 0 && events.length >= FEED_BATCH / 2;
  }

  /** Which hash the chain of the box is at. */
  #addBoxHead(): void {
    const newest = this.#options.store.get<{ sequence: number; hash: string; appliance: string; epoch: number }>(NEWEST);
    if (newest === undefined) return;
    const { sequence, hash, appliance, epoch } = newest;
    const data = { chain: 'box', appliance, epoch: String(epoch), sequence: String(sequence), hash };
    const text = `The audit of the box is at event ${sequence} with hash ${hash}`;
    this.#append([
      { atMs: this.#options.now(), source: 'heads', severity: SEVERITY.informational, code: 'AUDIT_HEAD', data, text },
    ]);
  }

  /** False when the disk takes none: it is tried again from where it was. */
  #append(records: SyslogRecord[]): boolean {
    try {
      this.#options.spool.append(records);
    } catch (error) {
      this.#options.log.warn({ err: error }, 'syslog.not-spooled');
      return false;
    }
    this.#options.changed();
    return true;
  }
}

function auditRecord(source: 'box-audit' | 'site-audit', event: EventRow): SyslogRecord {
  const { id, appliance, epoch, sequence, atMs, code, actorKind, actorName, address, summary, hash } = event;
  return {
    atMs,
    source,
    severity: /FAILED|REFUSED|LOCKED|ALARM|DROPPED|WRONG/.test(code) ? SEVERITY.warning : SEVERITY.notice,
    code,
    data: { id, appliance, epoch: String(epoch), sequence: String(sequence), actorKind, actor: actorName, address, hash },
    text: summary,
    position: { epoch, sequence },
  };
}

/** A statement signed by the site identity (audit-export 1.3), whole: who keeps it can hold an export against it. */
function headRecord(head: NonNullable<AuditBatch['head']>): SyslogRecord {
  const data = { chain: 'site', signature: head.signature };
  return { atMs: head.atMs, source: 'heads', severity: SEVERITY.informational, code: 'AUDIT_HEAD', data, text: head.statement };
}
