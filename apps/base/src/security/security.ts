import type { IncomingMessage } from 'node:http';
import { readNetwork, type IpNetwork } from '@bascule/core/ip-network.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { AnyRoute } from '@bascule/http/route.ts';
import type { Log } from '@bascule/log/log.ts';
import type { AccountRules, BoxSecurity, TlsSettings } from '@bascule/protocol/api/security.ts';
import type { AuditEvent, Context, Store, Tx } from '@bascule/store/store.ts';
import type { BoxSettingsPart } from '../box-settings/box-settings.ts';
import type { Arrival, Changes, UndoPart } from '../changes/changes.ts';
import { plainAddress } from '../network/network.ts';
import { documents, type DocumentName, type SecuritySettings } from './security-documents.ts';
import * as events from './security-events.ts';
import { securityRoutes } from './security-routes.ts';
import { checkTls, checkedNetworks, cipherList, isAnswered, isStricter } from './security-rules.ts';
import { securitySettingsPart } from './security-settings-part.ts';

export interface SecurityOptions {
  store: Store;
  changes: Changes;
  /** The front door, from the next handshake on. */
  setTls(options: { minVersion: TlsSettings['minVersion']; ciphers: string }): void;
  /** The site shows it before its login, too. */
  setBanner(text: string): void;
  /** How a request came. */
  arrivalOf(request: IncomingMessage): Arrival;
  log: Log;
}

/** /appliance > Security and the rules of /appliance > Users: TLS with browsers, the banner, lock-out, passwords, networks from which /appliance answers. */
export class Security {
  readonly #options: SecurityOptions;
  /** Read for each request. */
  #networks: IpNetwork[] = [];
  #rules: AccountRules;

  constructor(options: SecurityOptions) {
    this.#options = options;
    this.#rules = documents['account-rules'].read(options.store);
    this.#noteNetworks();
    const { changes } = options;
    const register = (kind: DocumentName, applied: () => void): void => {
      const { schema, write } = documentOf(kind);
      changes.register({ kind, schema, restore: write, applied });
    };
    register('tls', () => this.#applyTls());
    register('login-banner', () => this.#applyBanner());
    register('account-rules', () => (this.#rules = documents['account-rules'].read(options.store)));
    register('networks', () => this.#noteNetworks());
  }

  /** Before the port is open: browsers are met with what is set. Ciphers that this OpenSSL does not know any more do not keep the appliance from starting. */
  start(): void {
    try {
      this.#applyTls();
    } catch (error) {
      this.#options.log.error({ err: error }, 'security.tls-not-applied');
    }
    this.#applyBanner();
  }

  /** The rules for box administrators. */
  rules(): AccountRules {
    return this.#rules;
  }

  /** Whether /appliance answers whoever is at `address`. */
  answers(address: string): boolean {
    return isAnswered(this.#networks, address);
  }

  banner(): string {
    return documents['login-banner'].read(this.#options.store);
  }

  settings(): SecuritySettings {
    const { store } = this.#options;
    return {
      tls: documents.tls.read(store),
      banner: this.banner(),
      accounts: this.#rules,
      networks: documents.networks.read(store),
    };
  }

  look({ address, localAddress }: Arrival, yourTlsVersion: string | null): BoxSecurity {
    return { ...this.settings(), yourAddress: plainAddress(address), reachedBy: plainAddress(localAddress), yourTlsVersion };
  }

  /** Throws `TLS_CIPHERS_MISSING`; `CHANGE_MIGHT_CUT` for stricter settings than before; `CHANGE_PENDING`. */
  async changeTls(context: Context, tls: TlsSettings, accepted: boolean): Promise<void> {
    checkTls(tls);
    const before = this.settings().tls;
    await this.#change(context, 'tls', tls, {
      event: events.tlsChanged({ minVersion: tls.minVersion, ciphers: cipherList(tls) }),
      about: tls.minVersion,
      mightCut: isStricter(before, tls),
      accepted,
    });
  }

  async changeBanner(context: Context, text: string): Promise<void> {
    await this.#change(context, 'login-banner', text.trim(), {
      event: events.bannerChanged({ characters: text.trim().length }),
      about: '',
      mightCut: false,
      accepted: false,
    });
  }

  async changeRules(context: Context, rules: AccountRules): Promise<void> {
    const { lockOut, passwords, secondFactorRequired } = rules;
    await this.#change(context, 'account-rules', rules, {
      event: events.rulesChanged({ ...lockOut, ...passwords, secondFactorRequired }),
      about: '',
      mightCut: false,
      accepted: false,
    });
  }

  /**
   * From where /appliance answers. Throws `SECURITY_NETWORK_INVALID`, `NETWORKS_LOCK_YOU_OUT` and `CHANGE_MIGHT_CUT` for who was not told (a list is provisional in any case),
   * `CHANGE_PENDING`.
   */
  async changeNetworks(context: Context, texts: readonly string[], accepted: boolean, arrival: Arrival): Promise<void> {
    const networks = checkedNetworks(texts);
    const address = plainAddress(arrival.address);
    if (!accepted && !isAnswered(read(networks), arrival.address)) {
      const seconds = this.#options.changes.confirmWithinMs / 1000;
      throw new AppError(
        'conflict',
        'NETWORKS_LOCK_YOU_OUT',
        `You are at ${address}, which is in none of these networks: /appliance would not answer you any more. It is undone after ${seconds} s unless it is confirmed from one of them.`,
        { params: { address, seconds } },
      );
    }
    await this.#change(context, 'networks', networks, {
      event: events.networksChanged({ networks }),
      about: networks.join(', ').slice(0, 200) || '0.0.0.0/0, ::/0',
      mightCut: networks.length > 0,
      accepted,
    });
  }

  /** What is put back when an import is undone. */
  before(): UndoPart[] {
    const { store } = this.#options;
    return (Object.keys(documents) as DocumentName[]).map((kind) => ({ kind, before: documents[kind].read(store) }));
  }

  /** For an import, inside its transaction. */
  write(tx: Tx, settings: Partial<SecuritySettings>): void {
    const { tls, banner, accounts, networks } = settings;
    if (tls !== undefined) {
      checkTls(tls);
      documents.tls.write(tx, tls);
    }
    if (banner !== undefined) documents['login-banner'].write(tx, banner);
    if (accounts !== undefined) documents['account-rules'].write(tx, accounts);
    if (networks !== undefined) documents.networks.write(tx, checkedNetworks(networks));
  }

  settingsPart(): BoxSettingsPart<SecuritySettings> {
    return securitySettingsPart(this);
  }

  routes(): AnyRoute[] {
    return securityRoutes(this, (request) => this.#options.arrivalOf(request));
  }

  async #change(
    context: Context,
    kind: DocumentName,
    value: unknown,
    { event, about, mightCut, accepted }: { event: AuditEvent; about: string; mightCut: boolean; accepted: boolean },
  ): Promise<void> {
    const { changes, store } = this.#options;
    const { schema, write } = documentOf(kind);
    const checked = schema.parse(value);
    const parts = [{ kind, before: documents[kind].read(store) }];
    await changes.make(context, { event, write: (tx) => write(tx, checked), parts, about }, { mightCut, accepted });
  }

  #applyTls(): void {
    const tls = documents.tls.read(this.#options.store);
    this.#options.setTls({ minVersion: tls.minVersion, ciphers: cipherList(tls) });
  }

  #applyBanner(): void {
    this.#options.setBanner(this.banner());
  }

  #noteNetworks(): void {
    this.#networks = read(documents.networks.read(this.#options.store));
  }
}

function read(networks: readonly string[]): IpNetwork[] {
  return networks.map(readNetwork).filter((network) => network !== undefined);
}

/** One of the documents, whatever it holds. */
function documentOf(kind: DocumentName) {
  const document = documents[kind] as (typeof documents)['tls'];
  return { schema: document.schema, write: (tx: Tx, value: TlsSettings) => document.write(tx, value) };
}
