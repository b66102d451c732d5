import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { writeFileDurablySync } from '@bascule/core/durable-file.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { route, type AnyRoute } from '@bascule/http/route.ts';
import type { Log } from '@bascule/log/log.ts';
import type { HealthAlarm } from '@bascule/protocol/api/health.ts';
import * as api from '@bascule/protocol/api/syslog.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import { SYSTEM, type Context, type Store } from '@bascule/store/store.ts';
import type { BoxSettingsPart } from '../box-settings/box-settings.ts';
import { connectSyslog, inWords, type SyslogServer } from './syslog-connection.ts';
import { SyslogFeed, type FeedPositions, type SyslogFeedOptions } from './syslog-feed.ts';
import { frameOf, SEVERITY } from './syslog-message.ts';
import { endOf, SyslogSender, written } from './syslog-sender.ts';
import { syslogSettingsPart } from './syslog-settings-part.ts';
import { SyslogSettings, type StoredDestination } from './syslog-settings.ts';
import { SyslogSpool } from './syslog-spool.ts';

export { syslogMigrations } from './syslog-migrations.ts';

/** Positions are written down this often while they change: after a power cut no more than that is sent twice. */
const NOTE_INTERVAL_MS = 1_000;
/** What is dropped is audited no more often. */
const DROP_AUDIT_INTERVAL_MS = 10 * 60_000;
const HOUR_MS = 60 * 60_000;
/** A server that does not like us says so after the handshake, within this. */
const TEST_LINGER_MS = 700;

const dropped = defineAuditEvent<{ server: string; count: number }>(
  'SYSLOG_DROPPED',
  '{count:message,messages} for the syslog server {server} had no room in the spool and {count:was,were} dropped',
);
const tested = defineAuditEvent<{ server: string; outcome: string }>(
  'SYSLOG_TESTED',
  'Sent a test message to the syslog server {server}: {outcome}',
);

const savedState = z.object({
  box: z.number().nullable(),
  site: z.object({ epoch: z.number(), sequence: z.number() }).nullable(),
  headMs: z.number(),
  destinations: z.record(z.string(), z.object({ next: z.number(), sent: z.number(), dropped: z.number() })),
});
type SavedState = z.infer<typeof savedState>;
const NOTHING_SAVED: SavedState = { box: null, site: null, headMs: 0, destinations: {} };

export interface SyslogOptions {
  store: Store;
  boxDirectory: string;
  applianceName: string;
  siteAudit: SyslogFeedOptions['siteAudit'];
  log: Log;
  now?: () => number;
  /** Smaller for tests. */
  spoolLimits?: { maxBytes: number; segmentBytes: number };
}

/** Audit and alarms to up to three servers: what is audited goes into a spool on disk, from which each server is sent to as fast as it takes it. */
export class Syslog {
  readonly #options: SyslogOptions;
  readonly #settings: SyslogSettings;
  readonly #folder: string;
  readonly #now: () => number;
  #spool: SyslogSpool | undefined;
  #feed: SyslogFeed | undefined;
  #positions: FeedPositions = { box: null, site: null, headMs: 0 };
  readonly #senders = new Map<string, SyslogSender>();
  #saved: SavedState = NOTHING_SAVED;
  #noteTimer: NodeJS.Timeout | undefined;
  #drops: { atMs: number; count: number }[] = [];
  readonly #unaudited = new Map<string, { count: number; timer: NodeJS.Timeout | undefined }>();
  #changing: Promise<void> = Promise.resolve();

  constructor(options: SyslogOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#folder = join(options.boxDirectory, 'syslog');
    this.#settings = new SyslogSettings(options.store, join(options.boxDirectory, 'account.key'));
  }

  /** Begins to send, if there is a server. Never throws: a spool that cannot be opened is logged. */
  start(): void {
    try {
      this.#saved = this.#readState();
      this.#open();
    } catch (error) {
      this.#options.log.error({ err: error }, 'syslog.not-started');
    }
  }

  async close(): Promise<void> {
    this.#feed?.flush();
    await this.#shut();
    for (const { timer } of this.#unaudited.values()) clearTimeout(timer);
  }

  addAlarm(alarm: HealthAlarm): void {
    this.#feed?.addAlarm(alarm);
  }

  /** Messages that had no room in the last hour, of all servers. */
  droppedLately(): number {
    const sinceMs = this.#now() - HOUR_MS;
    this.#drops = this.#drops.filter(({ atMs }) => atMs >= sinceMs);
    for (const sender of this.#senders.values()) sender.looked();
    return this.#drops.reduce((sum, { count }) => sum + count, 0);
  }

  state(): api.SyslogState {
    const spool = this.#spool;
    return {
      destinations: this.#settings.list().map((destination) => {
        const sender = this.#senders.get(destination.id)?.looked();
        return {
          ...destination,
          state: sender?.state ?? 'off',
          error: sender?.error ?? null,
          connectedAtMs: sender?.connectedAtMs ?? null,
          lastSentAtMs: sender?.lastSentAtMs ?? null,
          sent: sender?.sent ?? 0,
          waiting: sender === undefined || spool === undefined ? 0 : spool.next - sender.next,
          dropped: sender?.dropped ?? 0,
        };
      }),
      spool: { bytes: spool?.bytes ?? 0, maxBytes: spool?.maxBytes ?? 0 },
    };
  }

  /** Takes the whole list, and goes on with it. Throws as `SyslogSettings.change`. */
  async change(context: Context, change: api.SyslogChange): Promise<void> {
    this.#settings.change(context, change);
    await this.#reopen();
  }

  /** For the box's own settings, as they are exported and imported. */
  settingsPart(): BoxSettingsPart<api.SyslogChange> {
    return syslogSettingsPart(this.#settings, () => this.#reopen());
  }

  /** Connects and sends one message past the spool; what came of it, in words. Throws `SYSLOG_UNKNOWN`. */
  async test(context: Context, id: string): Promise<api.SyslogTestAnswer> {
    const destination = this.#settings.list().find((each) => each.id === id);
    if (destination === undefined)
      throw new AppError('conflict', 'SYSLOG_UNKNOWN', 'This syslog server was removed meanwhile; load the page again.');
    const server = `${destination.host}:${destination.port}`;
    const answer = await this.#try(destination);
    this.#options.store.transact(context, tested({ server, outcome: answer.text }), () => undefined);
    return answer;
  }

  routes(): AnyRoute[] {
    const action = { read: 'box.syslog.read', change: 'box.syslog.change' } as const;
    return [
      route({ method: 'GET', url: '/security/syslog', action: action.read, answer: api.syslogState, handle: () => this.state() }),
      route({
        method: 'PUT',
        url: '/security/syslog',
        action: action.change,
        body: api.syslogChange,
        bodyLimitBytes: BODY_LIMIT_BYTES,
        answer: api.syslogState,
        handle: async ({ body, context }) => {
          await this.change(context, body);
          return this.state();
        },
      }),
      route({
        method: 'POST',
        url: '/security/syslog/test',
        action: action.change,
        body: api.syslogTest,
        answer: api.syslogTestAnswer,
        handle: ({ body, context }) => this.test(context, body.id),
      }),
    ];
  }

  /** The servers are others now. */
  async #reopen(): Promise<void> {
    this.#changing = this.#changing.then(async () => {
      await this.#shut();
      this.#open();
    });
    await this.#changing;
  }

  async #try(destination: StoredDestination): Promise<api.SyslogTestAnswer> {
    try {
      const socket = await connectSyslog(this.#serverOf(destination), new AbortController().signal);
      try {
        const protocol = socket.getProtocol();
        const { CN } = socket.getPeerCertificate().subject ?? {};
        let failure: Error | undefined;
        socket.once('error', (error) => (failure = error));
        socket.once('close', () => (failure ??= new Error('the server ended the connection')));
        socket.resume();
        const text = 'A test message of Bascule';
        const data = { test: 'true' };
        const record = {
          atMs: this.#now(),
          source: 'alarms',
          severity: SEVERITY.informational,
          code: 'SYSLOG_TEST',
          data,
          text,
        } as const;
        await written(socket, frameOf(record, this.#options.applianceName));
        await delay(TEST_LINGER_MS);
        if (failure !== undefined) return refused(failure);
        await endOf(socket);
        const issuedTo = [CN].flat()[0] ?? null;
        return { ok: true, text: 'The server took the test message.', protocol, issuedTo };
      } finally {
        socket.destroy();
      }
    } catch (error) {
      return refused(error);
    }
  }

  #serverOf(destination: StoredDestination): SyslogServer {
    return { ...destination, clientKeyPem: this.#settings.clientKey(destination.id) };
  }

  #open(): void {
    const destinations = this.#settings.list().filter(({ isOn }) => isOn);
    if (destinations.length === 0) {
      rmSync(this.#folder, { recursive: true, force: true });
      this.#saved = NOTHING_SAVED;
      return;
    }
    const { store, siteAudit, applianceName, log, spoolLimits } = this.#options;
    const spool = new SyslogSpool(this.#folder, spoolLimits);
    this.#spool = spool;
    const positions = spool.positions();
    this.#positions = {
      // What was spooled after the positions were written down is not spooled twice.
      box: positions.get('box-audit')?.sequence ?? this.#saved.box,
      site: newer(positions.get('site-audit'), this.#saved.site),
      headMs: this.#saved.headMs,
    };
    if (this.#saved.box !== null) this.#positions.box = Math.max(this.#positions.box ?? 0, this.#saved.box);
    for (const destination of destinations) {
      const before = this.#saved.destinations[destination.id] ?? { next: spool.next, sent: 0, dropped: 0 };
      const sender = new SyslogSender({
        ...before,
        next: Math.min(before.next, spool.next),
        server: this.#serverOf(destination),
        sources: destination.sources,
        spool,
        appliance: applianceName,
        changed: () => this.#noteSoon(),
        onDropped: (count) => this.#noteDropped(destination, count),
        log,
        now: this.#now,
      });
      this.#senders.set(destination.id, sender);
    }
    this.#feed = new SyslogFeed({
      store,
      spool,
      positions: this.#positions,
      siteAudit,
      changed: () => {
        for (const sender of this.#senders.values()) sender.wake();
        this.#noteSoon();
      },
      log,
      now: this.#now,
    });
    for (const sender of this.#senders.values()) sender.start();
  }

  async #shut(): Promise<void> {
    await Promise.all([this.#feed?.close(), ...[...this.#senders.values()].map((sender) => sender.close())]);
    this.#note();
    this.#senders.clear();
    this.#spool?.close();
    this.#spool = undefined;
    this.#feed = undefined;
  }

  #noteSoon(): void {
    this.#noteTimer ??= setTimeout(() => this.#note(), NOTE_INTERVAL_MS).unref();
  }

  #note(): void {
    clearTimeout(this.#noteTimer);
    this.#noteTimer = undefined;
    const spool = this.#spool;
    if (spool === undefined) return;
    const senders = [...this.#senders];
    const destinations = Object.fromEntries(
      senders.map(([id, { next, sent, dropped: lost }]) => [id, { next, sent, dropped: lost }]),
    );
    this.#saved = { ...this.#positions, destinations };
    try {
      writeFileDurablySync(this.#stateFile, JSON.stringify(this.#saved));
      spool.removeBelow(Math.min(spool.next, ...senders.map(([, { next }]) => next)));
    } catch (error) {
      this.#options.log.warn({ err: error }, 'syslog.positions-not-noted');
    }
  }

  get #stateFile(): string {
    return join(this.#folder, 'state.json');
  }

  #readState(): SavedState {
    try {
      return savedState.parse(JSON.parse(readFileSync(this.#stateFile, 'utf8')));
    } catch {
      return NOTHING_SAVED;
    }
  }

  /** Counted at once, and audited now and then: the audit goes to the spool, too. */
  #noteDropped({ id, host, port }: StoredDestination, count: number): void {
    this.#drops.push({ atMs: this.#now(), count });
    const waiting = this.#unaudited.get(id) ?? { count: 0, timer: undefined };
    this.#unaudited.set(id, waiting);
    waiting.count += count;
    if (waiting.timer !== undefined) return;
    const audit = (): void => {
      waiting.timer = waiting.count > 0 ? setTimeout(audit, DROP_AUDIT_INTERVAL_MS).unref() : undefined;
      if (waiting.count === 0) return;
      const lost = waiting.count;
      waiting.count = 0;
      try {
        this.#options.store.transact(SYSTEM, dropped({ server: `${host}:${port}`, count: lost }), () => undefined);
      } catch (error) {
        waiting.count += lost;
        this.#options.log.warn({ err: error }, 'syslog.drop-not-audited');
      }
    };
    audit();
  }
}

/** Three servers with certificates. */
const BODY_LIMIT_BYTES = 1024 * 1024;

function refused(error: unknown): api.SyslogTestAnswer {
  return { ok: false, text: inWords(error), protocol: null, issuedTo: null };
}

function newer(one: FeedPositions['site'] | undefined, other: FeedPositions['site']): FeedPositions['site'] {
  if (one === undefined || one === null) return other;
  if (other === null) return one;
  return one.epoch > other.epoch || (one.epoch === other.epoch && one.sequence > other.sequence) ? one : other;
}
