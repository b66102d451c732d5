import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { newId } from '@bascule/core/ids.ts';
import { AppError, notFound } from '@bascule/errors/app-error.ts';
import type { AnyRoute } from '@bascule/http/http-server.ts';
import type { Log } from '@bascule/log/log.ts';
import type { MailEvent } from '@bascule/mail/mail-texts.ts';
import * as api from '@bascule/protocol/api/certificates.ts';
import type { BoxAnswer, BoxQuestion } from '@bascule/protocol/api/plans.ts';
import type { Losses, PlannedChange } from '@bascule/protocol/losses.ts';
import { SYSTEM, type Context, type Store } from '@bascule/store/store.ts';
import { webCertificateChanged } from '../audit/audit.ts';
import { AcmeKeeper } from './acme-keeper.ts';
import { certificatesIn, publicSha256 } from './certificate-chain.ts';
import * as events from './certificate-events.ts';
import { exportFile } from './certificate-export.ts';
import { factsOf, keyFacts } from './certificate-facts.ts';
import { full, planImport, previewOf, storeImport } from './certificate-import.ts';
import { takeDueNotices } from './certificate-notices.ts';
import { certificateRoutes } from './certificate-routes.ts';
import { isFixed, type CertificateRows } from './certificate-rows.ts';
import { certificateView, factWarnings, shownRow, type Shown, type View } from './certificate-view.ts';
import { compareServed, servedFor } from './peer-comparison.ts';
import type { Candidate, ServedCertificates } from './served-certificates.ts';
import { makePrivateKey, makeSigningRequest } from './signing-request.ts';

/** How often ends of certificates are looked at. */
const NOTICE_INTERVAL_MS = 60 * 60_000;
/** Names of which both appliances of a pair are asked. */
const COMPARED_NAMES_MAX = 200;

export interface CertificatesOptions {
  store: Store;
  served: ServedCertificates;
  publicHost: string;
  /** Of the port for plain HTTP. */
  httpPort: number | null;
  /** Addresses of Networking > IP configuration. */
  addresses(): string[];
  host: {
    whoWouldILose(change: PlannedChange): Promise<Losses>;
    tellWebKey(pin: string): void;
    askPeer(question: BoxQuestion): Promise<BoxAnswer>;
    readonly pairState: { peer: { name: string } | null } | undefined;
  };
  mailer: { tell(event: MailEvent): void };
  /** The address of the page, for mail. */
  page: string;
  log: Log;
  now?: () => number;
  acmePollIntervalMs?: number;
}

/** Security > Certificates (B15-B19, B196-B201): what is there, how it comes and goes, and which one is served to whom. */
export class Certificates {
  readonly acme: AcmeKeeper;
  readonly #options: CertificatesOptions;
  readonly #rows: CertificateRows;
  readonly #now: () => number;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: CertificatesOptions) {
    this.#options = options;
    this.#rows = options.served.rows;
    this.#now = options.now ?? Date.now;
    this.acme = new AcmeKeeper({
      store: options.store,
      rows: this.#rows,
      publicHost: options.publicHost,
      now: this.#now,
      log: options.log,
      onCertificate: () => this.reload(),
      tellFailing: (text, failures) =>
        this.#tell(
          `The certificate could not be got or renewed by ACME, ${failures} times in a row.`,
          `The authority's answer was: ${text} The one in use goes on until it ends.`,
        ),
      pollIntervalMs: options.acmePollIntervalMs,
    });
  }

  /** Begins to renew by itself and to look at ends. */
  start(): void {
    this.acme.start();
    this.lookAtEnds();
    this.#timer = setInterval(() => this.lookAtEnds(), NOTICE_INTERVAL_MS).unref();
  }

  close(): void {
    clearInterval(this.#timer);
    this.acme.close();
  }

  routes(): AnyRoute[] {
    return certificateRoutes(this);
  }

  state(): api.CertificatesState {
    const { publicHost, httpPort, addresses } = this.#options;
    const { use } = this.#options.served;
    return {
      nowMs: this.#now(),
      publicHost,
      certificates: this.list(),
      addresses: [...new Set([...addresses(), ...use.addresses.map(({ address }) => address)])].map((address) => ({
        address,
        certificate: use.addresses.find((one) => one.address === address)?.certificate ?? null,
      })),
      acme: this.acme.state(),
      httpPort,
    };
  }

  list(): api.Certificate[] {
    const view = this.#view();
    return this.#shown().map((one) => certificateView(one, view));
  }

  /** For whom the certificate at one of our addresses is issued; undefined: the self-made one (B13). */
  nameAt(address: string): string | undefined {
    const { id, web } = this.#options.served.choose({ serverName: '', localAddress: address });
    return id === api.SELF_MADE ? undefined : web.issuedTo;
  }

  /** The one that people get at the public host, with its warnings and its exports (B41). */
  forPublicHost(): api.Certificate | undefined {
    return this.list().find(({ used }) => used.forPublicHost);
  }

  async inspect(files: api.ImportFiles): Promise<api.ImportPreview> {
    const planned = await planImport(files, this.#options.store, this.#rows);
    return previewOf(planned, this.#view());
  }

  /** All or nothing: what is refused changes nothing. */
  async import(context: Context, files: api.ImportFiles): Promise<api.CertificatesState> {
    const { store } = this.#options;
    storeImport(context, await planImport(files, store, this.#rows), { store, rows: this.#rows, nowMs: this.#now() });
    this.reload(context);
    return this.state();
  }

  /** Makes a key, which stays here, and a request for a certificate. Throws `CERTIFICATES_FULL`. */
  async request(
    context: Context,
    { names, key: choice, ...subject }: api.CertificateRequest,
  ): Promise<{ id: string; pem: string }> {
    const { store } = this.#options;
    if (this.#rows.all(store).length >= api.CERTIFICATES_MAX) throw full();
    const key = await makePrivateKey(choice);
    const pem = await makeSigningRequest(key, names, subject);
    const [id, keySha256] = [newId('certificate', this.#now()), publicSha256(key)];
    store.transact(context, events.certificateRequested({ names: names.join(', '), keySha256 }), (tx) =>
      this.#rows.put(tx, { id, source: 'request', chain: null, keySha256, request: pem, addedAtMs: this.#now() }, key),
    );
    return { id, pem };
  }

  requestPem(id: string): string {
    const request = this.#rows.get(this.#options.store, id)?.request;
    if (request == null) throw notFound();
    return request;
  }

  async export(context: Context, id: string, wanted: api.CertificateExport): Promise<api.ExportedFile> {
    const { store } = this.#options;
    const shown = this.#shown().find((one) => one.id === id);
    if (shown?.chain == null) throw notFound();
    const [own] = certificatesIn(shown.chain);
    if (own === undefined) throw notFound();
    const { issuedTo, sha256 } = factsOf(own, []);
    const file = await exportFile({ issuedTo, chain: shown.chain, key: this.#keyOf(id) }, wanted);
    const parts = (['certificate', 'key', 'chain'] as const).filter((part) => wanted[part]).join(', ');
    store.transact(context, events.certificateExported({ issuedTo, sha256, parts, format: wanted.format }), (tx) =>
      this.#rows.noteExport(tx, sha256, this.#now(), wanted.key),
    );
    return file;
  }

  /** Throws `NOT_FOUND`, `CERTIFICATE_IN_USE`. */
  remove(context: Context, id: string): void {
    const { store } = this.#options;
    const found = this.list().find((one) => one.id === id);
    if (found === undefined || isFixed(id)) throw notFound();
    if (found.inUse || id === this.acme.state().certificate)
      throw new AppError('conflict', 'CERTIFICATE_IN_USE', 'It is in use: choose another one in its place first.');
    const issuedTo = found.facts?.issuedTo ?? found.request?.names.join(', ') ?? id;
    store.transact(context, events.certificateRemoved({ issuedTo, sha256: found.facts?.sha256 ?? '' }), (tx) =>
      this.#rows.remove(tx, id),
    );
    this.reload();
  }

  /** What a change of use would do (I6); changes nothing. Throws as `changeUse`. */
  async previewUse(use: api.CertificateUse): Promise<api.UsePreview> {
    const { served, publicHost, host } = this.#options;
    this.#checkUse(use);
    const [before, after] = [served.forHost(publicHost), served.forHost(publicHost, use)];
    const [own, ...chain] = certificatesIn(after.web.cert);
    if (own === undefined) throw notFound();
    const facts = factsOf(own, chain);
    const change = {
      kind: 'certificate',
      names: facts.names.slice(0, api.CERTIFICATE_NAMES_MAX),
      keySha256: facts.key.sha256,
      isPubliclyTrusted: facts.isPubliclyTrusted,
      expiresAtMs: facts.notAfterMs,
    } as const;
    const shown = this.#shown().find(({ id }) => id === after.id);
    return {
      before: sideOf(before),
      after: sideOf(after),
      losses: await host.whoWouldILose(change).catch(() => null),
      warnings: factWarnings(
        facts,
        [own, ...chain],
        { source: shown?.source ?? 'imported', hasKey: true, renewsItself: false },
        { ...this.#view(), publicId: after.id },
        after.id,
      ),
    };
  }

  /** Holds from the next handshake on. Throws `CERTIFICATE_NOT_USABLE`, `CERTIFICATE_ADDRESS_UNKNOWN`. */
  changeUse(context: Context, use: api.CertificateUse): void {
    const { store } = this.#options;
    this.#checkUse(use);
    const changes = [
      `default ${this.#nameOf(use.default)}`,
      `by name ${use.byName.map((id) => this.#nameOf(id)).join(', ') || 'none'}`,
      ...use.addresses.map(({ address, certificate }) => `${address} ${this.#nameOf(certificate)}`),
    ].join('; ');
    store.transact(context, events.certificateUseChanged({ changes }), (tx) => this.#rows.putSetting(tx, 'use', use));
    this.reload(context);
  }

  changeAcme(context: Context, change: api.AcmeChange): void {
    this.acme.change(context, change);
  }

  /** Takes what is stored now into service, and tells who pins the key. */
  reload(context: Context = SYSTEM): void {
    const { served, store, publicHost, host } = this.#options;
    const before = served.forHost(publicHost).web;
    served.load(store);
    const after = served.forHost(publicHost).web;
    if (before.keyPin !== after.keyPin) host.tellWebKey(after.keyPin);
    if (before.sha256 === after.sha256) return;
    const { issuedTo, sha256, notAfterMs } = after;
    store.transact(context, webCertificateChanged({ issuedTo, sha256, notAfterMs }), () => undefined);
  }

  /** Tells people of certificates in use that end soon (30, 14, 7 days and 1 day before). */
  lookAtEnds(): void {
    try {
      for (const { issuedTo, daysLeft } of takeDueNotices(this.#options.store, this.list(), this.#now()))
        this.#tell(
          `The certificate for ${issuedTo} ends in ${daysLeft === 1 ? '1 day' : `${daysLeft} days`}.`,
          'Import a new one, or have it renewed by ACME, under Security > Certificates; until it ends nothing changes.',
        );
    } catch (error) {
      this.#options.log.warn({ err: error }, 'certificates.ends-not-looked-at');
    }
  }

  /** What this appliance serves for the names that the other base asks about. */
  answerPeer(names: readonly string[]): api.ServedNames {
    const { served, publicHost } = this.#options;
    return servedFor(publicHost, names, (name) => served.forHost(name).web);
  }

  /** What the other appliance of the pair would serve for our names. */
  async compare(): Promise<api.PairComparison> {
    const { host, served, publicHost } = this.#options;
    const peer = host.pairState?.peer?.name ?? null;
    if (peer === null) return { state: 'none', peer, names: [], error: null };
    const inUse = this.list().filter((one) => one.inUse);
    const names = [publicHost, ...inUse.flatMap(({ facts }) => facts?.names ?? [])]
      .filter((name) => !name.startsWith('*.') && name !== 'localhost' && (isIP(name) === 0 || name === publicHost))
      .filter((name, at, all) => all.indexOf(name) === at && served.forHost(name).names.length > 0)
      .slice(0, COMPARED_NAMES_MAX);
    const here = this.answerPeer(names);
    try {
      const answer = await host.askPeer({ kind: 'certificates', names });
      if (answer.certificates === undefined)
        return {
          state: 'unreachable',
          peer,
          names: [],
          error: answer.error?.message ?? 'It does not know the question: its base is older.',
        };
      return { state: 'compared', peer, names: compareServed(here.served, answer.certificates.served, this.#now()), error: null };
    } catch (error) {
      return { state: 'unreachable', peer, names: [], error: error instanceof AppError ? error.message : 'It does not answer.' };
    }
  }

  #checkUse({ default: chosen, byName, addresses }: api.CertificateUse): void {
    const candidates = this.#options.served.candidates();
    for (const id of [chosen, ...byName, ...addresses.map(({ certificate }) => certificate)])
      if (!candidates.has(id))
        throw new AppError(
          'conflict',
          'CERTIFICATE_NOT_USABLE',
          'This certificate cannot be used: its key or the certificate itself is missing.',
        );
    const known = new Set(this.state().addresses.map(({ address }) => address));
    for (const { address } of addresses)
      if (!known.has(address))
        throw new AppError(
          'invalid',
          'CERTIFICATE_ADDRESS_UNKNOWN',
          `${address} is no address of this appliance (Networking > IP configuration).`,
          {
            params: { address },
          },
        );
  }

  #view(): View {
    const { store, served, publicHost } = this.#options;
    const acme = this.acme.state();
    return {
      nowMs: this.#now(),
      publicHost,
      use: served.use,
      publicId: served.forHost(publicHost).id,
      acmeId: acme.settings.isOn ? acme.certificate : null,
      acmeFailures: acme.lastFailure?.failures ?? 0,
      exportOf: (sha256) => this.#rows.exportOf(store, sha256),
    };
  }

  /** All of them: those that always are there first. */
  #shown(): Shown[] {
    const { served, store } = this.#options;
    const candidates = served.candidates();
    const fixed = [api.SELF_MADE, api.HANDED].flatMap((id) => {
      const web = candidates.get(id)?.web;
      return web === undefined
        ? []
        : [{ id, source: id, chain: web.cert, hasKey: true, request: null, addedAtMs: null } as Shown];
    });
    return [...fixed, ...this.#rows.all(store).map(shownRow)];
  }

  #keyOf(id: string): string | undefined {
    if (isFixed(id)) return this.#options.served.candidates().get(id)?.web.key;
    const row = this.#rows.get(this.#options.store, id);
    return row && this.#rows.keyOf(row);
  }

  #nameOf(id: string): string {
    return this.#options.served.candidates().get(id)?.web.issuedTo ?? id;
  }

  #tell(what: string, advice: string): void {
    this.#options.mailer.tell({ kind: 'needs-attention', what, advice, page: this.#options.page });
  }
}

function sideOf({ id, web }: Candidate): api.UsePreview['before'] {
  return { id, issuedTo: web.issuedTo, keySha256: keyFacts(new X509Certificate(web.cert).publicKey).sha256 };
}
