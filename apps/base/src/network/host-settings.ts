import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { z } from 'zod';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import { hostNameText, resolverSettings, type HostState, type ResolverSettings } from '@bascule/protocol/api/network.ts';
import { helperHostLook } from '@bascule/protocol/helper-verbs.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import type { Context, Store, Tx } from '@bascule/store/store.ts';
import { BoxDocument, type Changes, type UndoPart } from '../changes/changes.ts';
import { cannotChange } from './cannot-change.ts';
import type { HelperClient } from './helper-client.ts';
import { plainAddress } from './ip-address.ts';

const VERBS = ['host-look', 'host-name', 'resolver'];
const RESOLV_CONF = '/etc/resolv.conf';
const DOMAIN = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/;

const hostNameChanged = defineAuditEvent<{ before: string; after: string }>(
  'HOST_NAME_CHANGED',
  'Changed the host name from {before} to {after}',
);
const resolverChanged = defineAuditEvent<{ servers: string[]; search: string[] }>(
  'RESOLVER_CHANGED',
  'Name servers: {servers}, search domains: {search}',
);
const resolverGivenBack = defineAuditEvent('RESOLVER_GIVEN_BACK', 'Name servers are the operating system’s again');

/** What the machine is to be called and to ask; null: left as it is. */
export interface HostWishes {
  hostName: string | null;
  resolver: ResolverSettings | null;
}
const nameDocument = new BoxDocument('host-name', hostNameText.nullable(), null);
const resolverDocument = new BoxDocument('resolver', resolverSettings.nullable(), null);

export interface HostSettingsOptions {
  store: Store;
  helper: HelperClient;
  changes: Changes;
  log: Log;
  /** For tests. */
  resolvConf?: string;
  hostName?(): string;
}

/** Networking > Host name and DNS: in box.db, and on the machine by the helper, where nobody else looks after them. */
export class HostSettings {
  readonly #options: HostSettingsOptions;
  readonly #error: { name?: string; resolver?: string } = {};

  constructor(options: HostSettingsOptions) {
    this.#options = options;
    options.changes.register({
      kind: 'host-name',
      schema: nameDocument.schema,
      restore: (tx, before) => nameDocument.write(tx, before),
      applied: () => this.#applyName(),
    });
    options.changes.register({
      kind: 'resolver',
      schema: resolverDocument.schema,
      restore: (tx, before) => resolverDocument.write(tx, before),
      applied: () => this.#applyResolver(true),
    });
  }

  /** Gives the machine its name and its name servers, where they are other ones. Never rejects. */
  async start(): Promise<void> {
    await this.#applyName();
    await this.#applyResolver(false);
  }

  wishes(): HostWishes {
    const { store } = this.#options;
    return { hostName: nameDocument.read(store), resolver: resolverDocument.read(store) };
  }

  /** For an import: both documents, inside its transaction. */
  write(tx: Tx, wishes: Partial<HostWishes>): void {
    if (wishes.hostName !== undefined) nameDocument.write(tx, wishes.hostName);
    if (wishes.resolver !== undefined) resolverDocument.write(tx, wishes.resolver);
  }

  /** What is put back when a change of both is undone. */
  before(): UndoPart[] {
    const { hostName, resolver } = this.wishes();
    return [
      { kind: 'host-name', before: hostName },
      { kind: 'resolver', before: resolver },
    ];
  }

  async look(): Promise<HostState> {
    const { hostName, resolver } = this.wishes();
    const cannot = await this.#cannot();
    return {
      hostName: this.#hostName(),
      wantedHostName: hostName,
      resolver: this.#resolver(),
      wantedResolver: resolver,
      ...cannot,
      error: this.#error.name ?? this.#error.resolver ?? null,
    };
  }

  /** Names the machine; null: the name stays, and is no longer put back. Throws `HOST_NAME_FIXED` where it cannot be changed, `CHANGE_PENDING`. */
  async changeName(context: Context, hostName: string | null): Promise<void> {
    const { cannotName } = await this.#cannot();
    if (hostName !== null && cannotName !== null)
      throw new AppError('conflict', 'HOST_NAME_FIXED', 'The host name cannot be changed from here; the page says why.');
    const before = this.wishes().hostName;
    await this.#options.changes.make(
      context,
      {
        event: hostNameChanged({ before: this.#hostName(), after: hostName ?? this.#hostName() }),
        write: (tx) => nameDocument.write(tx, hostName),
        parts: [{ kind: 'host-name', before }],
        about: hostName ?? this.#hostName(),
      },
      { mightCut: false, accepted: false },
    );
  }

  /**
   * Sets the name servers and search domains; null: gives them back to the operating system. Provisional, since what people are let in by may be a name. Throws `RESOLVER_…`,
   * `CHANGE_MIGHT_CUT`, `CHANGE_PENDING`.
   */
  async changeResolver(context: Context, wanted: ResolverSettings | null, accepted: boolean): Promise<void> {
    const resolver = wanted === null ? null : checkedResolver(wanted);
    if (resolver !== null && (await this.#cannot()).cannotResolve !== null)
      throw new AppError('conflict', 'RESOLVER_FIXED', 'The name servers cannot be changed from here; the page says why.');
    const event = resolver === null ? resolverGivenBack({}) : resolverChanged(resolver);
    await this.#options.changes.make(
      context,
      {
        event,
        write: (tx) => resolverDocument.write(tx, resolver),
        parts: [{ kind: 'resolver', before: this.wishes().resolver }],
        about: resolver?.servers.join(', ') ?? RESOLV_CONF,
      },
      { mightCut: true, accepted },
    );
  }

  async #applyName(): Promise<void> {
    const { hostName } = this.wishes();
    delete this.#error.name;
    if (hostName === null || hostName === this.#hostName()) return;
    await this.#ask('name', 'host-name', { name: hostName });
  }

  /** `isChange`: somebody has just changed it; what is not wanted any more is given back then. */
  async #applyResolver(isChange: boolean): Promise<void> {
    const { resolver } = this.wishes();
    delete this.#error.resolver;
    if (resolver === null) {
      if (isChange) await this.#ask('resolver', 'resolver', { servers: '', search: '' });
      return;
    }
    const now = this.#resolver();
    if (JSON.stringify(now) === JSON.stringify(resolver)) return;
    await this.#ask('resolver', 'resolver', { servers: resolver.servers.join(' '), search: resolver.search.join(' ') });
  }

  async #ask(what: 'name' | 'resolver', verb: string, args: Record<string, string>): Promise<void> {
    try {
      if ((await cannotChange(this.#options.helper, VERBS)) === 'not-root') return;
      await this.#options.helper.ask(verb, args, z.null());
    } catch (error) {
      const reason = error instanceof AppError ? String(error.params['reason'] ?? error.message) : String(error);
      this.#error[what] = reason;
      this.#options.log.warn({ what, reason }, 'network.host-not-changed');
    }
  }

  async #cannot(): Promise<Pick<HostState, 'cannotName' | 'cannotResolve' | 'resolverManager'>> {
    const cannot = await cannotChange(this.#options.helper, VERBS);
    // A container that may not change the network may own its files all the same.
    if (cannot !== null && cannot !== 'not-permitted')
      return { cannotName: cannot, cannotResolve: cannot, resolverManager: null };
    try {
      return await this.#options.helper.ask('host-look', {}, helperHostLook);
    } catch {
      return { cannotName: 'helper-silent', cannotResolve: 'helper-silent', resolverManager: null };
    }
  }

  #hostName(): string {
    return (this.#options.hostName ?? hostname)();
  }

  #resolver(): ResolverSettings {
    try {
      return readResolver(readFileSync(this.#options.resolvConf ?? RESOLV_CONF, 'utf8'));
    } catch {
      return { servers: [], search: [] };
    }
  }
}

/** What a form says, as it is kept. Throws `RESOLVER_SERVER_INVALID`, `RESOLVER_SERVERS_MISSING`, `RESOLVER_SEARCH_INVALID`. */
export function checkedResolver({ servers, search }: ResolverSettings): ResolverSettings {
  const addresses = servers.map((server) => {
    const plain = server.includes('%') ? '' : plainAddress(server.trim());
    if (plain === '' || isNoServer(plain))
      throw new AppError('invalid', 'RESOLVER_SERVER_INVALID', 'Addresses of name servers are needed, such as 192.0.2.53.', {
        field: 'body.resolver.servers',
        params: { server },
      });
    return plain;
  });
  if (addresses.length === 0)
    throw new AppError('invalid', 'RESOLVER_SERVERS_MISSING', 'Give at least one name server.', {
      field: 'body.resolver.servers',
    });
  for (const domain of search)
    if (!DOMAIN.test(domain))
      throw new AppError('invalid', 'RESOLVER_SEARCH_INVALID', 'Search domains are needed, such as example.org.', {
        field: 'body.resolver.search',
        params: { domain },
      });
  return { servers: [...new Set(addresses)], search: [...new Set(search)] };
}

/** As the helper refuses it: a resolver on this very machine (127.0.0.53) is fine. */
function isNoServer(address: string): boolean {
  if (address === '::' || address.startsWith('ff') || /^fe[89ab]/.test(address)) return true;
  const [first = 1, second = 0] = address.includes(':') ? [] : address.split('.').map(Number);
  return first === 0 || first >= 224 || (first === 169 && second === 254);
}

/** Reads resolv.conf(5): the last `search` or `domain` counts. */
export function readResolver(text: string): ResolverSettings {
  const servers: string[] = [];
  let search: string[] = [];
  for (const line of text.split('\n')) {
    const [word = '', ...rest] = line.trim().split(/\s+/);
    if (word === 'nameserver' && rest[0] !== undefined) servers.push(rest[0].split('%')[0] ?? rest[0]);
    if (word === 'search' || word === 'domain') search = rest;
  }
  return { servers: servers.slice(0, 3), search: search.slice(0, 6) };
}
