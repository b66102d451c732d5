import { X509Certificate } from 'node:crypto';
import type { Log } from '@bascule/log/log.ts';
import type { LinkTls, SiteIdentity } from './site-identity.ts';

/** How often the end of the leaf is looked at. */
export const LEAF_CHECK_INTERVAL_MS = 24 * 60 * 60_000;

/**
 * The certificate that links are secured with: made at each start, and renewed while the program runs when less than a third of its life is left, or the site identity was
 * rotated.
 */
export class LinkLeaf {
  readonly #identity: SiteIdentity;
  readonly #now: () => number;
  readonly #log: Log;
  readonly #listeners: ((tls: LinkTls) => void)[] = [];
  readonly #timer: NodeJS.Timeout;
  #tls: LinkTls;

  private constructor(options: { identity: SiteIdentity; now: () => number; log: Log }, tls: LinkTls) {
    this.#identity = options.identity;
    this.#now = options.now;
    this.#log = options.log;
    this.#tls = tls;
    this.#timer = setInterval(() => void this.check(), LEAF_CHECK_INTERVAL_MS).unref();
    options.identity.onChanged(() => void this.#renew());
  }

  static async open(options: { identity: SiteIdentity; now: () => number; log: Log }): Promise<LinkLeaf> {
    return new LinkLeaf(options, await options.identity.issueLinkTls());
  }

  get tls(): LinkTls {
    return this.#tls;
  }

  /** Heard after each renewal: new connections get the new leaf, links that stand keep theirs. */
  onRenewed(listener: (tls: LinkTls) => void): void {
    this.#listeners.push(listener);
  }

  /** Renews the leaf if it is due. A fault is logged; the next check tries again. */
  async check(): Promise<void> {
    const { validFromDate, validToDate } = new X509Certificate(this.#tls.certificate);
    const leftMs = validToDate.getTime() - this.#now();
    if (leftMs >= (validToDate.getTime() - validFromDate.getTime()) / 3) return;
    await this.#renew();
  }

  async #renew(): Promise<void> {
    try {
      const formerEndsAtMs = new X509Certificate(this.#tls.certificate).validToDate.getTime();
      this.#tls = await this.#identity.issueLinkTls();
      this.#log.info({ formerEndsAtMs }, 'link-leaf-renewed');
      for (const listener of this.#listeners) listener(this.#tls);
    } catch (error) {
      this.#log.error({ err: error }, 'link-leaf-not-renewed');
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
