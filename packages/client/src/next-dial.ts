import type { ToClient } from '@bascule/protocol/control-link.ts';
import type { ControlLink } from './control-link.ts';
import type { LinkPace } from './link-pace.ts';
import type { SiteAddresses } from './site-addresses.ts';

/** With several addresses: after so long a silence the system asks the other end. Costs neither side anything but a packet. */
const ALIVE_EVERY_MS = 5_000;
const SESSION_ALIVE_EVERY_MS = 1_000;

/** How a control link ended, or that none came about. */
export interface LinkEnd {
  /** Undefined: nobody answered. */
  link: ControlLink | undefined;
  /** The site had taken the client. */
  accepted: boolean;
  /** Why it had not. */
  refused: Extract<ToClient, { kind: 'refused' }> | undefined;
}

/** When a client dials after a link has ended, and where, and how long it waits for an answer (wire 3.8, 3.12). */
export class NextDial {
  readonly #addresses: SiteAddresses;
  readonly #pace: LinkPace;

  constructor(addresses: SiteAddresses, pace: LinkPace) {
    this.#addresses = addresses;
    this.#pace = pace;
  }

  /** Where nobody takes the client, or nothing is heard, the next address has its turn before there is a longer pause. In milliseconds. */
  waitMs({ link, accepted, refused }: LinkEnd, withSessions: boolean): number {
    const wasSilent = link?.wasSilent === true;
    const isElsewhere = accepted ? wasSilent : refused === undefined || refused.elsewhere === true;
    if (isElsewhere && this.#addresses.areSeveral && this.#addresses.failed(link !== undefined && !wasSilent))
      return this.#pace.otherAddressMs(withSessions);
    // One who is nowhere yet goes on looking for the sake of its sessions.
    const retryAfterMs = refused?.elsewhere === true && withSessions ? undefined : refused?.retryAfterMs;
    const hasOthers = this.#addresses.areSeveral;
    return Math.max(this.#pace.waitMs({ accepted, retryAfterMs, withSessions, hasOthers }), this.#addresses.restMs);
  }

  /** With several addresses a connection that is dead without a word is given up in seconds, and so is a dial. `of`: a control link, or the data link of a session. */
  limits(of: 'link' | 'session', withSessions: boolean): { limitMs?: number | undefined; aliveEveryMs?: number } {
    if (!this.#addresses.areSeveral) return {};
    const aliveEveryMs = of === 'link' ? ALIVE_EVERY_MS : SESSION_ALIVE_EVERY_MS;
    return { limitMs: this.#addresses.dialLimitMs(withSessions), aliveEveryMs };
  }
}
