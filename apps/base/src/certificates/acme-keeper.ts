import { createPrivateKey } from 'node:crypto';
import { newId } from '@bascule/core/ids.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import type { ACME_PHASES, AcmeChange, AcmeState } from '@bascule/protocol/api/certificates.ts';
import { SYSTEM, type Context, type Store } from '@bascule/store/store.ts';
import { orderCertificate } from './acme-client.ts';
import { AcmeRecords, type AcmeProgress } from './acme-settings.ts';
import { acmeFailed as acmeFailedEvent, acmeObtained, acmeOrdered } from './certificate-events.ts';
import { certificatesIn, chainPem, orderChain, publicSha256 } from './certificate-chain.ts';
import { factsOf } from './certificate-facts.ts';
import type { CertificateRows } from './certificate-rows.ts';
import { makeChallengeCertificate, makePrivateKey, makeSigningRequest, requestBytes } from './signing-request.ts';

/** Renewed when this part of its life is left. */
export const RENEW_AT_PART = 1 / 3;
export const RETRY_FIRST_MS = 15 * 60_000;
export const RETRY_MAX_MS = 12 * 60 * 60_000;
/** Each wait is longer or shorter by up to this part, so that many appliances do not ask together. */
const JITTER_PART = 0.2;
/** Told by mail at so many failures in a row: by then two thirds of the time that is left are still to come. */
export const MAIL_AT_FAILURES = 3;
/** A timer's longest; it looks again then. */
const TIMER_MAX_MS = 60 * 60_000;
/** Times of challenges that wait for the authority. */
const CHALLENGES_MAX = 200;

export interface AcmeKeeperOptions {
  store: Store;
  rows: CertificateRows;
  publicHost: string;
  now: () => number;
  log: Log;
  /** A certificate came: what is served is looked at again. */
  onCertificate(): void;
  /** It has failed so often that people are told. */
  tellFailing(text: string, failures: number): void;
  pollIntervalMs?: number | undefined;
}

/** Keeps one certificate by ACME: asks for it, renews it at a third of its life, tries again with growing waits. Whether it is used is a person's choice, as of every other. */
export class AcmeKeeper {
  readonly records: AcmeRecords;
  readonly #options: AcmeKeeperOptions;
  readonly #answers = new Map<string, string>();
  readonly #certificates = new Map<string, { key: string; cert: string }>();
  #running: Promise<void> | undefined;
  #phase: (typeof ACME_PHASES)[number] | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Settings were changed while it asked with the former ones. */
  #isStale = false;
  readonly #closing = new AbortController();

  constructor(options: AcmeKeeperOptions) {
    this.#options = options;
    this.records = new AcmeRecords(options.store, options.rows, options.publicHost);
  }

  /** What the port for plain HTTP answers to an authority. */
  keyAuthorization(token: string): string | undefined {
    return this.#answers.get(token);
  }

  /** What the front door shows an authority that validates `name` (TLS-ALPN-01). */
  challengeFor(name: string): { key: string; cert: string } | undefined {
    return this.#certificates.get(name);
  }

  state(): AcmeState {
    const { certificate, lastSuccessAtMs, lastFailure, nextAtMs } = this.records.progress();
    return {
      settings: this.records.settings(),
      certificate,
      running: this.#phase ?? null,
      lastSuccessAtMs,
      lastFailure,
      nextAtMs: this.records.settings().isOn ? nextAtMs : null,
    };
  }

  start(): void {
    this.#schedule();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#closing.abort();
  }

  change(context: Context, change: AcmeChange): void {
    this.records.change(context, change, this.#options.now());
    this.#isStale = this.#running !== undefined;
    this.#schedule();
  }

  /** Asks now, whatever is due. Throws `ACME_OFF`, `ACME_RUNS`. */
  orderNow(context: Context): void {
    const { isOn, names } = this.records.settings();
    if (!isOn) throw new AppError('conflict', 'ACME_OFF', 'Automatic certificates are off: turn them on first.');
    if (this.#running !== undefined) throw new AppError('conflict', 'ACME_RUNS', 'A certificate is being asked for already.');
    const progress = { ...this.records.progress(), nextAtMs: this.#options.now() };
    this.#options.store.transact(context, acmeOrdered({ names: names.join(', ') }), (tx) =>
      this.records.putProgress(tx, progress),
    );
    this.#schedule();
  }

  /** Resolves when no attempt runs. */
  async idle(): Promise<void> {
    await this.#running;
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#closing.signal.aborted || !this.records.settings().isOn) return;
    const dueMs = (this.records.progress().nextAtMs ?? 0) - this.#options.now();
    if (dueMs <= 0) return this.#begin();
    this.#timer = setTimeout(() => this.#schedule(), Math.min(dueMs, TIMER_MAX_MS)).unref();
  }

  #begin(): void {
    this.#running ??= this.#attempt()
      .catch((error: unknown) => this.#options.log.error({ err: error }, 'acme.not-noted'))
      .finally(() => {
        this.#running = undefined;
        this.#phase = undefined;
        const isStale = this.#isStale;
        this.#isStale = false;
        if (isStale && !this.#closing.signal.aborted && this.records.settings().isOn) return this.#begin();
        // What could not be noted (a full disk) is not tried again at once.
        clearTimeout(this.#timer);
        if (!this.#closing.signal.aborted)
          this.#timer = setTimeout(() => this.#schedule(), Math.max(this.#untilNextMs(), 1_000)).unref();
      });
  }

  #untilNextMs(): number {
    const dueMs = (this.records.progress().nextAtMs ?? 0) - this.#options.now();
    return Math.min(dueMs <= 0 ? RETRY_FIRST_MS : dueMs, TIMER_MAX_MS);
  }

  async #attempt(): Promise<void> {
    try {
      await this.#order();
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      this.#options.log.warn({ err: error }, 'acme.failed');
      this.#noteFailure(error);
    }
  }

  async #order(): Promise<void> {
    const { store, rows, now } = this.#options;
    const settings = this.records.settings();
    const { certificate } = this.records.progress();
    const former = certificate === null ? undefined : rows.get(store, certificate);
    const formerKey = former === undefined ? undefined : rows.keyOf(former);
    const key =
      settings.keepKey && formerKey !== undefined && fits(formerKey, settings.key)
        ? formerKey
        : await makePrivateKey(settings.key);
    const pem = await orderCertificate({
      ...settings,
      accountKey: await this.records.accountKey(SYSTEM, settings.directoryUrl),
      binding: this.records.binding(),
      signingRequest: requestBytes(await makeSigningRequest(key, settings.names)),
      present: (name, token, keyAuthorization) => this.#present(settings.challenge, name, token, keyAuthorization),
      onPhase: (phase) => (this.#phase = phase),
      signal: this.#closing.signal,
      ...(this.#options.pollIntervalMs !== undefined && { pollIntervalMs: this.#options.pollIntervalMs }),
    });
    const ordered = orderChain(certificatesIn(pem), createPrivateKey(key));
    const { issuedTo, sha256, notAfterMs, notBeforeMs } = factsOf(ordered.own, []);
    const id = former?.id ?? newId('certificate', now());
    const progress: AcmeProgress = {
      certificate: id,
      lastSuccessAtMs: now(),
      lastFailure: null,
      nextAtMs: Math.round(notAfterMs - (notAfterMs - notBeforeMs) * jittered(RENEW_AT_PART)),
    };
    store.transact(SYSTEM, acmeObtained({ issuedTo, sha256, notAfterMs }), (tx) => {
      const row = {
        id,
        source: 'acme',
        chain: chainPem(ordered),
        keySha256: publicSha256(key),
        request: null,
        addedAtMs: now(),
      } as const;
      rows.put(tx, row, key);
      this.records.putProgress(tx, progress);
      tx.afterCommit(() => this.#options.onCertificate());
    });
  }

  async #present(
    challenge: 'http-01' | 'tls-alpn-01',
    name: string,
    token: string,
    keyAuthorization: string,
  ): Promise<() => void> {
    if (this.#answers.size + this.#certificates.size >= CHALLENGES_MAX) throw new Error('bug: challenges are not taken away');
    if (challenge === 'http-01') {
      this.#answers.set(token, keyAuthorization);
      return () => void this.#answers.delete(token);
    }
    this.#certificates.set(name, await makeChallengeCertificate(name, keyAuthorization));
    return () => void this.#certificates.delete(name);
  }

  #noteFailure(error: unknown): void {
    const { store, now, tellFailing } = this.#options;
    const progress = this.records.progress();
    const failures = (progress.lastFailure?.failures ?? 0) + 1;
    const text = error instanceof AppError ? error.message : 'It failed inside this appliance; its log says why.';
    const asked = error instanceof AppError && error.retryAfterSeconds !== undefined ? error.retryAfterSeconds * 1000 : 0;
    const waitMs = Math.max(asked, jittered(Math.min(RETRY_FIRST_MS * 2 ** (failures - 1), RETRY_MAX_MS)));
    const after = { ...progress, lastFailure: { atMs: now(), text, failures }, nextAtMs: Math.round(now() + waitMs) };
    store.transact(SYSTEM, acmeFailedEvent({ text, failures }), (tx) => this.records.putProgress(tx, after));
    if (failures === MAIL_AT_FAILURES) tellFailing(text, failures);
  }
}

function jittered(value: number): number {
  return value * (1 + JITTER_PART * (2 * Math.random() - 1));
}

/** Whether a kept key is of the kind that is wanted now. */
function fits(keyPem: string, wanted: 'ec-p256' | 'rsa-2048' | 'rsa-3072'): boolean {
  const { asymmetricKeyType, asymmetricKeyDetails } = createPrivateKey(keyPem);
  if (wanted === 'ec-p256') return asymmetricKeyType === 'ec';
  return asymmetricKeyType === 'rsa' && asymmetricKeyDetails?.modulusLength === Number(wanted.slice('rsa-'.length));
}
