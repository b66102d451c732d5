/** Moves that are over for this box, and whose site has not heard of it: told until it has (docs/decisions/0360). */
import type { Log } from '@bascule/log/log.ts';
import { SYSTEM, type Reader, type Store, type Tx } from '@bascule/store/store.ts';
import * as events from './move-events.ts';
import { readMoveValue, writeMoveValue, type MoveValue } from './move-store.ts';
import type { MoveHost } from './old-box.ts';

/** The site may be starting, or at another change of its relationship. */
const RETRY_MS = 5000;

export type EndingMove = MoveValue<'ending'>['moves'][number];

export interface EndingMovesOptions {
  store: Store;
  host: MoveHost;
  log: Log;
}

export class EndingMoves {
  readonly #options: EndingMovesOptions;
  #telling: Promise<void> | undefined;
  #retryAtMs = -Infinity;

  constructor(options: EndingMovesOptions) {
    this.#options = options;
  }

  /** The site has not heard of all of them. */
  get isPending(): boolean {
    return this.#moves.length > 0;
  }

  /** Within the transaction that ends the move here. */
  note(tx: Tx, move: EndingMove): void {
    writeMoveValue(tx, 'ending', { moves: [...movesOf(tx), move] });
    this.#retryAtMs = -Infinity;
  }

  /** Tells the site now; what it does not take is told again later. */
  async tell(): Promise<void> {
    await this.#telling;
    this.#telling ??= this.#tellAll().finally(() => (this.#telling = undefined));
    await this.#telling;
  }

  tellSoon(): void {
    if (!this.isPending || performance.now() < this.#retryAtMs) return;
    void this.tell();
  }

  async #tellAll(): Promise<void> {
    const { log, store } = this.#options;
    for (const move of this.#moves) {
      try {
        if (!(await this.#isTold(move))) continue;
        store.transact(SYSTEM, events.siteTold({}), (tx) =>
          writeMoveValue(tx, 'ending', { moves: movesOf(tx).filter(({ plan }) => plan !== move.plan) }),
        );
      } catch (error) {
        log.warn({ err: error }, 'move.not-ended');
      }
    }
    this.#retryAtMs = performance.now() + RETRY_MS;
  }

  async #isTold({ plan, step, side }: EndingMove): Promise<boolean> {
    const { host, log } = this.#options;
    const role = host.pairState?.role;
    if (side === 'old' && role === undefined) return false;
    // Of an old box that serves no more only the key goes back: who has the site is settled by the two sites.
    const keepsRelationship = side === 'old' && hasGone(role);
    const order = keepsRelationship ? { kind: 'put-key-back' as const } : { kind: 'end-move' as const, moved: null };
    const { outcome, error } = await host.pairDo(plan, step, order);
    if (outcome === 'failed') log.warn({ reason: error }, 'move.not-ended');
    return outcome === 'done';
  }

  get #moves(): EndingMove[] {
    return movesOf(this.#options.store);
  }
}

function movesOf(reader: Reader): EndingMove[] {
  return readMoveValue(reader, 'ending')?.moves ?? [];
}

/** The other box serves the site, as far as this one knows. */
export function hasGone(role: string | undefined): boolean {
  return role === 'backup' || role === 'read-only';
}
