import type { Log } from '@bascule/log/log.ts';
import { SYSTEM, type Store } from '@bascule/store/store.ts';
import { webCertificateChanged, webKeyGiven } from './audit/audit.ts';
import type { BoxSettings } from './box-settings/box-settings.ts';
import { Certificates, certificateSettingsPart, type WebCertificate } from './certificates/certificates.ts';
import { publicAddress, type BaseConfig } from './config/config.ts';
import { PlainDoor, type FrontOptions } from './front/front.ts';
import type { Addresses } from './network/network.ts';
import { ownCertificate, type Prepared } from './prepared.ts';
import type { SiteHost } from './site-host/site-host.ts';
import type { Mailer } from './support/support.ts';

const CHECK_INTERVAL_MS = 12 * 60 * 60 * 1000;

export interface BoxCertificatesOptions {
  config: BaseConfig;
  store: Store;
  prepared: Prepared;
  host: SiteHost;
  mailer: Mailer;
  boxSettings: BoxSettings;
  addresses(): Addresses;
  log: Log;
}

/** The certificates of the box, put together: which one is served, their pages, the port for plain HTTP, and what is renewed by itself. */
export class BoxCertificates {
  readonly certificates: Certificates;
  readonly #options: BoxCertificatesOptions;
  readonly #plain: PlainDoor;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: BoxCertificatesOptions) {
    this.#options = options;
    const { config, store, prepared, host, mailer, log } = options;
    prepared.served.load(store);
    this.certificates = new Certificates({
      store,
      served: prepared.served,
      publicHost: config.publicHost,
      httpPort: config.http?.port ?? null,
      addresses: () =>
        options
          .addresses()
          .rows()
          .map(({ address }) => address),
      host,
      mailer,
      page: `${publicAddress(config)}/appliance/security/certificates`,
      log,
    });
    this.#plain = new PlainDoor({
      publicAddress: publicAddress(config),
      keyAuthorization: (token) => this.certificates.acme.keyAuthorization(token),
    });
    options.boxSettings.register(certificateSettingsPart(store, prepared.served, this.certificates));
    this.#serveHanded();
  }

  /** What the front door asks for each connection. */
  frontOptions(): Pick<FrontOptions, 'certificateFor' | 'challengeFor'> {
    const { served } = this.#options.prepared;
    return {
      certificateFor: (asked) => served.choose(asked).web,
      challengeFor: (name) => this.certificates.acme.challengeFor(name),
    };
  }

  /** The self-made one. */
  get own(): WebCertificate {
    return this.#options.prepared.web.certificate;
  }

  /** What people get at the public host. */
  get shown(): WebCertificate {
    const { prepared, config } = this.#options;
    return prepared.served.forHost(config.publicHost).web;
  }

  /** When the one at the public host was exported with its key (B41); null: never. */
  get exportedAtMs(): number | null {
    return this.certificates.forPublicHost()?.lastKeyExportAtMs ?? null;
  }

  /** Opens the port for plain HTTP, if there is one. What is wrong with it is logged: https works without. */
  async listen(): Promise<void> {
    const { config, log } = this.#options;
    if (config.http === undefined) return;
    await this.#plain.listen(config.http.descriptor).catch((error: unknown) => log.error({ err: error }, 'front.plain-not-open'));
  }

  /** Begins to renew and to tell of ends. */
  start(): void {
    const { prepared, log } = this.#options;
    if (this.own.madeNow) this.#note(this.own);
    this.certificates.start();
    this.#timer = setInterval(
      () =>
        void Promise.all([this.#renewOwn(), prepared.handed.renew()]).catch((error: unknown) =>
          log.error({ err: error }, 'certificate.renewal-failed'),
        ),
      CHECK_INTERVAL_MS,
    ).unref();
  }

  /** Renews nothing more, and closes the port for plain HTTP. */
  close(): void {
    clearInterval(this.#timer);
    this.certificates.close();
    this.#plain.close();
  }

  async #renewOwn(): Promise<void> {
    const { config, prepared, host } = this.#options;
    const certificate = await ownCertificate(config);
    if (!certificate.madeNow) return;
    prepared.web.certificate = certificate;
    host.tellWebKey(prepared.handed.keyPinFor(config.publicHost));
    this.#note(certificate);
  }

  /** The certificate of the shared name is handed over by the primary when a relationship is established, and served to whoever asks for that name. */
  #serveHanded(): void {
    const { prepared, host, config, store } = this.#options;
    const { handed } = prepared;
    handed.onChanged = (certificate) => {
      host.tellWebKey(handed.keyPinFor(config.publicHost));
      this.#note(certificate);
    };
    handed.onGive = (name) => store.transact(SYSTEM, webKeyGiven({ host: name }), () => undefined);
    host.onCertificate((question) => handed.answer(question));
  }

  #note({ issuedTo, sha256, notAfterMs }: WebCertificate): void {
    this.#options.store.transact(SYSTEM, webCertificateChanged({ issuedTo, sha256, notAfterMs }), () => undefined);
  }
}
