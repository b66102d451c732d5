import type { StoreOptions } from './store-options.ts';

/** What happens when a transaction is on disk: who is told, and when its effects run. Whatever they throw is logged: what is committed stays so. */
export class AfterCommit {
  readonly #options: Pick<StoreOptions, 'onCommitted' | 'holdEffects' | 'log'>;
  readonly #listeners = new Set<(seq: number) => void>();

  constructor(options: Pick<StoreOptions, 'onCommitted' | 'holdEffects' | 'log'>) {
    this.#options = options;
  }

  /** Returns how to stop it. */
  listen(listener: (seq: number) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** An own transaction is on disk as entry `seq`: tells everybody, then runs its effects, or has them held. */
  own(seq: number, waitsForPeer: boolean, effects: readonly (() => void)[] = []): void {
    const { onCommitted, holdEffects } = this.#options;
    this.#guarded(() => onCommitted?.(seq, waitsForPeer), 'store-committed-failed');
    this.appended(seq);
    if (effects.length === 0) return;
    const run = () => effects.forEach((effect) => this.#guarded(effect, 'store-effect-failed'));
    if (holdEffects === undefined) run();
    else this.#guarded(() => holdEffects(seq, waitsForPeer, run), 'store-hold-failed');
  }

  /** Entry `seq` is the newest one now. */
  appended(seq: number): void {
    for (const listener of this.#listeners) this.#guarded(() => listener(seq), 'store-listener-failed');
  }

  #guarded(action: () => void, failed: string): void {
    try {
      action();
    } catch (error) {
      this.#options.log.error({ err: error }, failed);
    }
  }
}
