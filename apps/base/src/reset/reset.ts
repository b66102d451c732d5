import type { Accounts } from '@bascule/accounts/accounts.ts';
import type { homePaths } from '@bascule/core/home.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { route, type AnyRoute } from '@bascule/http/route.ts';
import type { Principal } from '@bascule/http/principal.ts';
import type { Log } from '@bascule/log/log.ts';
import { ok } from '@bascule/protocol/api/common.ts';
import * as api from '@bascule/protocol/api/reset.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import { SYSTEM, type Context } from '@bascule/store/store.ts';
import { orderErasure, readReport, removeReport, shownReport } from './erasure.ts';
import { placesOf } from './erasure-places.ts';
import { Power, type PowerOptions } from './power.ts';

export { finishErasure, isErasing } from './erasure.ts';

/** The answer goes out before the appliance ends. */
const RESET_PAUSE_MS = 500;
/** Of paths and places in one event; the report has all. */
const AUDITED_MAX_LENGTH = 4000;

const ordered = defineAuditEvent<{ keepBackups: boolean; shutDownAfter: boolean }>(
  'RESET_ORDERED',
  'Ordered the reset to factory defaults: everything is erased (backups on this machine are kept: {keepBackups})',
);
/** The page shows strangers neither names nor paths: here they are. */
const wasReset = defineAuditEvent<{ applianceName: string; orderedBy: string; left: string; elsewhere: string; sha256: string }>(
  'APPLIANCE_WAS_RESET',
  'This appliance was reset to factory defaults by {orderedBy}. Not removed: {left}. Backups elsewhere, not erased: {elsewhere}. The report of erasure has SHA-256 {sha256}',
);

export interface ResetOptions extends PowerOptions {
  paths: ReturnType<typeof homePaths>;
  accounts: Pick<Accounts, 'logins'>;
  applianceName: string;
  baseVersion: string;
  /** Where backups lie beside this machine, in words; rejects when the site does not say. */
  backupPlaces(): Promise<string[]>;
  /** Why it may not be reset now: a pair, an installation. Undefined: it may. */
  refused(): string | undefined;
  /** Ends base and everything below it; it is started again, and erases. */
  restartBase(): void;
  log: Log;
  now?: () => number;
}

/** Status > Basics: reset to factory defaults, shut down, restart (B8, B9, B207). */
export class Reset {
  readonly #options: ResetOptions;
  readonly #power: Power;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ResetOptions) {
    this.#options = options;
    this.#power = new Power(options);
  }

  /** After a reset: audits it, and switches off when that was ordered. */
  start(): void {
    const report = this.report();
    if (report === null) return;
    const { store, log } = this.#options;
    const isNoted = store.get("SELECT 1 FROM audit_event WHERE code = 'APPLIANCE_WAS_RESET' LIMIT 1") !== undefined;
    if (isNoted) return;
    const { applianceName, orderedBy, sha256 } = report;
    const left = report.left.join(', ').slice(0, AUDITED_MAX_LENGTH) || 'nothing';
    const elsewhere =
      report.elsewhere === null ? 'not known' : report.elsewhere.join('; ').slice(0, AUDITED_MAX_LENGTH) || 'none';
    store.transact(SYSTEM, wasReset({ applianceName, orderedBy, left, elsewhere, sha256 }), () => undefined);
    if (report.shutDownAfter)
      this.#timer = setTimeout(() => {
        void this.#switchOff().catch((error: unknown) => log.error({ err: error }, 'reset.not-switched-off'));
      }, api.SHUT_DOWN_AFTER_RESET_SECONDS * 1000).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  /** Until the first login after it. */
  report(): api.ErasureReport | null {
    const { paths, store } = this.#options;
    const report = readReport(paths);
    if (report === null) return null;
    const hasLoggedIn = store.get("SELECT 1 FROM audit_event WHERE code = 'ACCOUNT_LOGGED_IN' LIMIT 1") !== undefined;
    if (!hasLoggedIn) return report;
    removeReport(paths);
    return null;
  }

  async state(): Promise<api.ResetState> {
    const { paths, applianceName, refused, figures } = this.#options;
    const { sessions, clientsOnline } = await figures();
    const kinds = [];
    for (const kind of api.ERASED_KINDS) {
      const places = await placesOf(kind, paths, { keepBackups: false });
      const bytes = places.reduce((sum, place) => sum + place.bytes, 0);
      kinds.push({ kind, files: places.length, bytes, optional: kind === 'backups' });
    }
    return { applianceName, refused: refused() ?? null, sessions, clientsOnline, kinds, elsewhere: await this.#elsewhere() };
  }

  /** Throws `RESET_NAME_WRONG`, `ACCOUNT_PASSWORD_WRONG`, `RESET_REFUSED`. */
  async order(context: Context, principal: Principal, order: api.Reset): Promise<void> {
    const { accounts, applianceName, baseVersion, paths, refused, restartBase, store, now = Date.now } = this.#options;
    const { keepBackups, shutDownAfter, password } = order;
    if (order.applianceName !== applianceName)
      throw new AppError('invalid', 'RESET_NAME_WRONG', `Type the name of the appliance as it is: ${applianceName}.`, {
        field: 'body.applianceName',
        params: { name: applianceName },
      });
    await accounts.logins.confirmPassword(principal, password, 'body.password', context.address);
    const why = refused();
    if (why !== undefined) throw new AppError('conflict', 'RESET_REFUSED', why, { params: { reason: why } });
    const elsewhere = await this.#elsewhere();
    store.transact(context, ordered({ keepBackups, shutDownAfter }), () => undefined);
    const orderedBy = context.actor.name;
    const kept = { keptBackups: keepBackups, elsewhere };
    orderErasure(paths, { applianceName, baseVersion, orderedBy, startedAtMs: now(), ...kept, shutDownAfter });
    setTimeout(restartBase, RESET_PAUSE_MS);
  }

  routes(): AnyRoute[] {
    return [
      route({
        method: 'GET',
        url: '/status/power',
        action: 'box.power.use',
        answer: api.powerState,
        handle: () => this.#power.state(),
      }),
      route({
        method: 'POST',
        url: '/status/power',
        action: 'box.power.use',
        body: api.power,
        answer: ok,
        handle: async ({ body, context }) => {
          await this.#power.order(context, body.order);
          return { ok: true };
        },
      }),
      route({ method: 'GET', url: '/status/reset', action: 'box.reset.use', answer: api.resetState, handle: () => this.state() }),
      route({
        method: 'POST',
        url: '/status/reset',
        action: 'box.reset.use',
        rate: 'login',
        body: api.reset,
        answer: ok,
        handle: async ({ body, context, principal }) => {
          await this.order(context, principal, body);
          return { ok: true };
        },
      }),
      route({
        method: 'GET',
        url: '/erasure-report',
        action: 'public',
        answer: api.erasureReportAnswer,
        handle: () => {
          const report = this.report();
          return { report: report && shownReport(report) };
        },
      }),
    ];
  }

  async #elsewhere(): Promise<string[] | null> {
    return await this.#options.backupPlaces().catch(() => null);
  }

  async #switchOff(): Promise<void> {
    const { mayShutDown } = await this.#power.state();
    await this.#power.order(SYSTEM, mayShutDown ? 'shut-down' : 'stop-bascule');
  }
}
