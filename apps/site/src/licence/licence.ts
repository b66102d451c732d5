/** Licences of the site: what they allow, which endpoints have one, and what is refused at a limit (B208-B212). They never end a session. */
import type { Log } from '@bascule/log/log.ts';
import { LICENCES_MAX, LICENSED_ENDPOINTS_PAGE, type LicencesAnswer, type ToldLicence } from '@bascule/protocol/api/licence.ts';
import { compareVersions } from '@bascule/package-format/version.ts';
import { SYSTEM, type Context, type Store } from '@bascule/store/store.ts';
import { allowed, endWarning, isNearlyFull, type Allowed } from './licence-core.ts';
import { endpointsFull, licenceExpired, noFreeLicence, notLicensable, representativesFull } from './licence-errors.ts';
import * as events from './licence-events.ts';
import * as rows from './licence-store.ts';
import type { EndpointRow } from './licence-store.ts';

export { licenceMigrations } from './licence-migrations.ts';
export { licenceRoutes } from './licence-routes.ts';

/** After a change of Jump Items, licences are given and taken back within this. */
const SETTLE_MS = 1000;
/** Looks at the time, for warnings. */
const LOOK_INTERVAL_MS = 60 * 60_000;
/** Endpoints changed in one transaction. */
const CHANGED_AT_ONCE_MAX = 500;

/** A Jump Client that is not revoked, as the jump domain knows it. */
export interface Endpoint {
  id: string;
  name: string;
  hostName: string;
  /** `approved` or not yet: only the former are given licences; whoever has one keeps it. */
  state: string;
}

export interface LicencesOptions {
  store: Store;
  /** All of them, oldest first: in this order they are given licences. */
  endpoints(): Endpoint[];
  approvedCount(): number;
  endpoint(id: string): Endpoint | undefined;
  /** The revision of now, and what changed after `since`; `ids` undefined: anything may have. */
  changedItems(since: number | undefined): { revision: number; ids: Set<string> | undefined };
  /** Access sessions that run, by whom and on what. */
  sessions(): { userId: string; userName: string; jumpItemId: string }[];
  mail(what: string, advice: string): void;
  log: Log;
  now?: () => number;
}

export class Licences {
  readonly #options: LicencesOptions;
  readonly #now: () => number;
  /** By client id. */
  readonly #held: Map<string, EndpointRow>;
  #known: ToldLicence[];
  /** Of Jump Items, when licences were last given; undefined: all are to be looked at. */
  #revision: number | undefined;
  #settling: NodeJS.Timeout | undefined;
  #looking: NodeJS.Timeout | undefined;
  #isOpen = false;

  constructor(options: LicencesOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#known = rows.readLicences(options.store);
    this.#held = new Map(rows.readEndpoints(options.store).map((row) => [row.clientId, row]));
  }

  /** Begins to give licences and to warn. `told`: what base has installed. */
  start(told: readonly ToldLicence[]): void {
    this.#isOpen = true;
    this.tell(told);
    this.itemsChanged();
    this.#looking = setInterval(() => this.look(), LOOK_INTERVAL_MS).unref();
    this.look();
  }

  close(): void {
    this.#isOpen = false;
    clearTimeout(this.#settling);
    clearInterval(this.#looking);
  }

  /** Base has these licences installed. The newest of each holder holds, also when another appliance of the pair was told of it. */
  tell(told: readonly ToldLicence[]): void {
    for (const licence of told) {
      const known = this.#known.find(({ terms }) => terms.holder === licence.terms.holder);
      if (known !== undefined && compareVersions(licence.version, known.version) <= 0) continue;
      if (known === undefined && this.#known.length >= LICENCES_MAX) continue;
      const { holder } = licence.terms;
      this.#options.store.transact(SYSTEM, events.licenceKnown({ holder, version: licence.version }), (tx) =>
        rows.putLicence(tx, licence, this.#now()),
      );
      this.#known = rows.readLicences(this.#options.store);
      this.#revision = undefined;
    }
    this.itemsChanged();
  }

  get allowed(): Allowed {
    return allowed(this.#known, this.#now());
  }

  /**
   * Whether licences let the user open a session on the endpoint now; an endpoint without a licence is given a free one. Throws `LICENCE_ENDPOINTS`,
   * `LICENCE_REPRESENTATIVES` or `LICENCE_EXPIRED`, which are written down; an expired licence never keeps an administrator out.
   */
  checkSession(context: Context, user: { id: string; isAdministrator: boolean }, target: { id: string; name: string }): void {
    const { state, endpoints, representatives } = this.allowed;
    if (state === 'none') return;
    try {
      if (state === 'expired' && !user.isAdministrator) throw licenceExpired();
      const active = new Set(this.#options.sessions().map(({ userId }) => userId));
      if (representatives !== null && !active.has(user.id) && active.size >= representatives)
        throw representativesFull(representatives);
      if (endpoints !== null && !this.#held.has(target.id)) {
        if (this.#held.size >= endpoints) this.settle();
        if (!this.#held.has(target.id) && this.#held.size >= endpoints) throw endpointsFull(target.name, endpoints);
        if (!this.#held.has(target.id)) this.#give(SYSTEM, target, '');
      }
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#options.store.transact(context, events.licenceRefused({ item: target.name, why }), () => undefined);
      throw error;
    }
  }

  /** Jump Items changed: licences of those that are gone become free, and free ones are given to those that came. In a moment, once for many changes. */
  itemsChanged(): void {
    if (!this.#isOpen || this.allowed.endpoints === null) return;
    this.#settling ??= setTimeout(() => {
      this.#settling = undefined;
      try {
        this.settle();
      } catch (error) {
        this.#options.log.warn({ err: error }, 'licence.not-settled');
      }
    }, SETTLE_MS).unref();
  }

  /** Takes back the licences of endpoints that are gone, and gives free ones, at once. */
  settle(): void {
    const limit = this.allowed.endpoints;
    if (limit === null) return;
    const { revision, ids } = this.#options.changedItems(this.#revision);
    const looked = ids ?? this.#held.keys();
    const gone = [...looked].filter((id) => this.#held.has(id) && this.#options.endpoint(id) === undefined);
    const free = Math.max(0, limit - (this.#held.size - gone.length));
    const given = free === 0 ? [] : this.#without(gone.length > 0 ? undefined : ids).slice(0, free);
    const sinceMs = this.#now();
    for (let at = 0; at < Math.max(gone.length, given.length); at += CHANGED_AT_ONCE_MAX) {
      const taken = gone.slice(at, at + CHANGED_AT_ONCE_MAX);
      const put = given.slice(at, at + CHANGED_AT_ONCE_MAX).map(({ id }) => ({ clientId: id, sinceMs, givenBy: '' }));
      this.#options.store.transact(SYSTEM, events.licencesGiven({ given: put.length, freed: taken.length }), (tx) => {
        for (const id of taken) rows.removeEndpoint(tx, id);
        for (const row of put) rows.putEndpoint(tx, row);
      });
      for (const id of taken) this.#held.delete(id);
      for (const row of put) this.#held.set(row.clientId, row);
    }
    this.#revision = revision;
    this.#warnWhenNearlyFull(limit);
  }

  /** Moves the licence of endpoint `from` to `to` (B208); null: gives a free one. Sessions on `from` go on. Throws `LICENCE_NONE_FREE` and `LICENCE_NOT_MOVED`. */
  move(context: Context, from: string | null, to: string): void {
    const { store, endpoint } = this.#options;
    const target = endpoint(to);
    if (target?.state !== 'approved' || this.#held.has(to)) throw notLicensable();
    const limit = this.allowed.endpoints;
    if (from === null) {
      if (limit !== null && this.#held.size >= limit) throw noFreeLicence(limit);
      return this.#give(context, target, context.actor.name);
    }
    if (!this.#held.has(from)) throw notLicensable();
    const row = { clientId: to, sinceMs: this.#now(), givenBy: context.actor.name };
    store.transact(context, events.licenceMoved({ from: endpoint(from)?.name ?? from, to: target.name }), (tx) => {
      rows.removeEndpoint(tx, from);
      rows.putEndpoint(tx, row);
    });
    this.#held.delete(from);
    this.#held.set(to, row);
  }

  /** GET licences */
  state(): LicencesAnswer {
    const nowMs = this.#now();
    const { state, endpoints, representatives, expiresAtMs, refusedFromMs } = this.allowed;
    const total = endpoints === null ? 0 : this.#options.approvedCount();
    return {
      state,
      known: this.#known.map(({ version, terms }) => ({
        ...terms,
        version,
        isExpired: terms.expiresAtMs !== null && terms.expiresAtMs <= nowMs,
      })),
      expiresAtMs,
      refusedFromMs,
      endpoints: { limit: endpoints, used: this.#held.size, without: Math.max(0, total - this.#held.size) },
      representatives: { limit: representatives, active: this.#active() },
    };
  }

  /** GET licences/endpoints */
  endpoints({ has, text = '', offset }: { has: 'yes' | 'no'; text?: string; offset: number }) {
    const sought = text.trim().toLowerCase();
    const counts = new Map<string, number>();
    for (const { jumpItemId } of this.#options.sessions()) counts.set(jumpItemId, (counts.get(jumpItemId) ?? 0) + 1);
    const found = this.#options
      .endpoints()
      .filter(({ id, state }) => (has === 'yes' ? this.#held.has(id) : state === 'approved' && !this.#held.has(id)))
      .filter(({ name, hostName }) => `${name}\n${hostName}`.toLowerCase().includes(sought))
      .toSorted((one, other) => one.name.localeCompare(other.name) || (one.id < other.id ? -1 : 1));
    return {
      total: found.length,
      endpoints: found.slice(offset, offset + LICENSED_ENDPOINTS_PAGE).map(({ id, name, hostName }) => {
        const row = this.#held.get(id);
        return { id, name, hostName, sinceMs: row?.sinceMs ?? null, by: row?.givenBy || null, sessions: counts.get(id) ?? 0 };
      }),
    };
  }

  /** Warns of an end that comes near, once for each of its steps. */
  look(): void {
    const now = this.allowed;
    const days = endWarning(now, this.#now());
    if (days === undefined || now.expiresAtMs === null) return;
    const until = new Date(now.expiresAtMs).toISOString().slice(0, 10);
    const what = days === 0 ? `The licence expired on ${until}.` : `The licence expires on ${until}.`;
    const from = now.refusedFromMs === null ? '' : new Date(now.refusedFromMs).toISOString().slice(0, 10);
    const advice = `Install a new licence package at /appliance > Updates. From ${from} on nobody but administrators opens new sessions; sessions that run go on.`;
    this.#warn('end', `${now.expiresAtMs} ${days}`, what, advice);
  }

  /** Endpoints without a licence, of `ids` or of all. */
  #without(ids: ReadonlySet<string> | undefined): Endpoint[] {
    const all = ids === undefined ? this.#options.endpoints() : [...ids].flatMap((id) => this.#options.endpoint(id) ?? []);
    return all.filter(({ id, state }) => state === 'approved' && !this.#held.has(id));
  }

  #warnWhenNearlyFull(limit: number): void {
    const used = this.#held.size;
    if (!isNearlyFull(used, limit)) return;
    const isFull = used >= limit;
    const what = isFull
      ? `All ${limit} licences for endpoints are in use.`
      : `${used} of ${limit} licences for endpoints are in use.`;
    this.#warn(
      'endpoints',
      `${limit} ${isFull}`,
      what,
      'Delete endpoints that are no longer needed, or install a larger licence.',
    );
  }

  #warn(name: string, about: string, what: string, advice: string): void {
    const { store, mail } = this.#options;
    if (rows.readWarning(store, name) === about) return;
    store.transact(SYSTEM, events.licenceWarned({ about: what }), (tx) => rows.putWarning(tx, name, about));
    mail(what, advice);
  }

  #give(context: Context, { id, name }: Pick<Endpoint, 'id' | 'name'>, givenBy: string): void {
    const row = { clientId: id, sinceMs: this.#now(), givenBy };
    this.#options.store.transact(context, events.licenceGiven({ to: name }), (tx) => rows.putEndpoint(tx, row));
    this.#held.set(id, row);
  }

  #active(): { name: string; sessions: number }[] {
    const byUser = new Map<string, { name: string; sessions: number }>();
    for (const { userId, userName } of this.#options.sessions()) {
      const found = byUser.get(userId) ?? { name: userName, sessions: 0 };
      found.sessions += 1;
      byUser.set(userId, found);
    }
    return [...byUser.values()].toSorted((one, other) => one.name.localeCompare(other.name));
  }
}
