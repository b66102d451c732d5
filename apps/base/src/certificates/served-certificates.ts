import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '@bascule/log/log.ts';
import { HANDED, SELF_MADE, type CertificateUse } from '@bascule/protocol/api/certificates.ts';
import { Connection } from '@bascule/store/connection.ts';
import type { Reader } from '@bascule/store/store.ts';
import { fit } from './certificate-facts.ts';
import { CertificateRows, FIRST_USE, type CertificateRow } from './certificate-rows.ts';
import { readPair, type WebCertificate } from './web-certificate.ts';

/** What somebody who connects asks for. */
export interface Asked {
  /** SNI; empty when nothing was said. */
  serverName: string;
  /** The address of ours at which it arrived. */
  localAddress: string;
}

/** A certificate that can be served: key and certificate are there and belong together. */
export interface Candidate {
  id: string;
  web: WebCertificate;
  /** For which names it is served to whoever asks for them. */
  names: readonly string[];
}

/** Better first, between those that fit a name equally well: chosen by a person before handed over before self-made. */
const rankOf = (id: string): number => (id === SELF_MADE ? 0 : id === HANDED ? 1 : 2);

/**
 * Which of `candidates` is served: by name (SNI, B19) the one that fits best, an exact name before a wildcard, a valid one before one that has ended; else the one
 * assigned to the address (B18); else the Default. A name makes one count when it is used by name, is the Default, or was handed over for it.
 */
export function choose(
  candidates: ReadonlyMap<string, Candidate>,
  use: CertificateUse,
  { serverName, localAddress }: Asked,
  nowMs: number,
): Candidate | undefined {
  const assigned = use.addresses.find(({ address }) => address === localAddress)?.certificate;
  const fallback = candidates.get(assigned ?? '') ?? candidates.get(use.default) ?? candidates.get(SELF_MADE);
  if (serverName === '') return fallback;
  const byName = [...new Set([assigned ?? '', use.default, ...use.byName, HANDED])]
    .map((id) => candidates.get(id))
    .filter((one) => one !== undefined)
    .map((one) => ({ one, fits: fit(one.names, serverName), isValid: one.web.notAfterMs > nowMs }))
    .filter(({ fits }) => fits > 0)
    .toSorted(
      (a, b) =>
        b.fits - a.fits ||
        Number(b.isValid) - Number(a.isValid) ||
        rankOf(b.one.id) - rankOf(a.one.id) ||
        b.one.web.notAfterMs - a.one.web.notAfterMs,
    );
  return byName[0]?.one ?? fallback;
}

/** What the web is served with at this moment: the front door asks for each connection, so that a change holds from the next handshake on. */
export class ServedCertificates {
  readonly #rows: CertificateRows;
  readonly #own: () => WebCertificate;
  readonly #handed: () => { current: WebCertificate | undefined; namesAsked: string[] };
  readonly #log: Log;
  readonly #now: () => number;
  #stored: Candidate[] = [];
  #use: CertificateUse = FIRST_USE;

  /** `boxDirectory`: with the key that wraps private keys. `own`: the self-made one. */
  constructor(options: {
    boxDirectory: string;
    own(): WebCertificate;
    handed(): { current: WebCertificate | undefined; namesAsked: string[] };
    log: Log;
    now?: () => number;
  }) {
    this.#rows = new CertificateRows(join(options.boxDirectory, 'account.key'));
    this.#own = () => options.own();
    this.#handed = () => options.handed();
    this.#log = options.log;
    this.#now = options.now ?? Date.now;
  }

  get rows(): CertificateRows {
    return this.#rows;
  }

  get use(): CertificateUse {
    return this.#use;
  }

  /** Everything that can be served, by id. */
  candidates(): Map<string, Candidate> {
    const own = this.#own();
    const { current, namesAsked } = this.#handed();
    const all: Candidate[] = [{ id: SELF_MADE, web: own, names: own.names }, ...this.#stored];
    if (current !== undefined) all.push({ id: HANDED, web: current, names: namesAsked });
    return new Map(all.map((one) => [one.id, one]));
  }

  /** What is served to whoever asks so; `use`: as if certificates were used in this way. */
  choose(asked: Asked, use: CertificateUse = this.#use): Candidate {
    const own = this.#own();
    return choose(this.candidates(), use, asked, this.#now()) ?? { id: SELF_MADE, web: own, names: own.names };
  }

  /** What people get who go to `host`, a name or an address. */
  forHost(host: string, use: CertificateUse = this.#use): Candidate {
    // Nobody asks for an address by SNI (RFC 6066, 3).
    const isAddress = /^[\d.]+$|:/.test(host);
    return this.choose({ serverName: isAddress ? '' : host, localAddress: isAddress ? host : '' }, use);
  }

  /** Takes what `reader` has now. What cannot be used is logged and left out: the box answers in any case. */
  load(reader: Reader): void {
    this.#use = this.#rows.use(reader);
    this.#stored = this.#rows
      .all(reader)
      .map((row) => this.#candidate(row))
      .filter((one) => one !== undefined);
  }

  /** For a base that is a candidate, which opens box.db for reading alone; nothing is taken when there is none, or of an older base. */
  loadFrom(boxDatabase: string): void {
    if (!existsSync(boxDatabase)) return;
    let connection: Connection | undefined;
    try {
      connection = new Connection(boxDatabase, this.#log, 'read');
      const table = connection.get("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'certificates'");
      if (table !== undefined) this.load(connection);
    } catch (error) {
      this.#log.warn({ err: error }, 'certificates.not-read');
    } finally {
      connection?.close();
    }
  }

  #candidate(row: CertificateRow): Candidate | undefined {
    try {
      const key = this.#rows.keyOf(row);
      if (key === undefined || row.chain === null) return undefined;
      const web = readPair(key, row.chain);
      return { id: row.id, web, names: web.names };
    } catch (error) {
      this.#log.error({ err: error, certificate: row.id }, 'certificates.not-usable');
      return undefined;
    }
  }
}
