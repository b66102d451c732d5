import { createHash } from 'node:crypto';

/** Tickets known at a time; main makes at most one per connect, so this is far above need. */
export const TICKETS_MAX = 50_000;

export type RelayTicket =
  | { kind: 'agent'; session: string; client: string; expiresAtMs: number }
  | { kind: 'viewer'; session: string; user: string; loginSession: string; expiresAtMs: number };

export type TicketUse = { ticket: RelayTicket } | { refused: 'unknown' | 'used' | 'expired' | 'other-kind' };

/** One-time tickets (wire 4.9): only hashes are kept, and what was used stays known until it would have expired, so that a replay is told from a guess. */
export class RelayTickets {
  readonly #tickets = new Map<string, { ticket: RelayTicket; used: boolean }>();

  /** Adds a ticket by its SHA-256. One that is known already, used or not, stays as it is: main may send it again. */
  add(sha256: string, ticket: RelayTicket): void {
    if (this.#tickets.has(sha256)) return;
    this.#tickets.set(sha256, { ticket, used: false });
    if (this.#tickets.size > TICKETS_MAX) this.#tickets.delete(this.#tickets.keys().next().value!);
  }

  /** Uses a ticket up. */
  use(text: string, kind: RelayTicket['kind'], nowMs: number): TicketUse {
    const entry = this.#tickets.get(createHash('sha256').update(text).digest('hex'));
    if (!entry) return { refused: 'unknown' };
    if (entry.used) return { refused: 'used' };
    if (entry.ticket.kind !== kind) return { refused: 'other-kind' };
    entry.used = true;
    return entry.ticket.expiresAtMs < nowMs ? { refused: 'expired' } : { ticket: entry.ticket };
  }

  /** Uses up every ticket that `isCut`: whoever is cut off must not come back with one asked for before. */
  cut(isCut: (ticket: RelayTicket) => boolean): void {
    for (const entry of this.#tickets.values()) if (isCut(entry.ticket)) entry.used = true;
  }

  /** Forgets what has expired. */
  sweep(nowMs: number): void {
    for (const [sha256, { ticket }] of this.#tickets) if (ticket.expiresAtMs < nowMs) this.#tickets.delete(sha256);
  }
}
