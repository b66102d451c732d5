/** The program's side of its conversation with the supervisor (docs/spec/client-supervisor.md, section 3). */
import { z } from 'zod';
import type { UpgradeFailure } from '@bascule/protocol/client-program.ts';

const REASON_MAX_CHARACTERS = 500;

const fromSupervisor = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('stop') }),
  z.object({ kind: z.literal('committed'), order: z.string() }),
  z.object({ kind: z.literal('try-refused'), order: z.string(), reason: z.string() }),
]);

export interface SupervisorEvents {
  stop(): void;
  committed(order: string): void;
  tryRefused(order: string, reason: string): void;
  /** The supervisor is gone: nobody starts this program again, and nobody ends it. */
  lost(): void;
}

/** Asks for trials and tells how one goes. */
export class SupervisorChannel {
  #isStopping = false;

  /** Whether it keeps this program running: it lives, and has not asked it to end. */
  get isKeeping(): boolean {
    return process.connected && !this.#isStopping;
  }

  /** The channel of this process; undefined when nobody supervises it. Call once. */
  static ofProcess(env: NodeJS.ProcessEnv): SupervisorChannel | undefined {
    return process.send !== undefined && env['BASCULE_SUPERVISOR'] !== undefined ? new SupervisorChannel() : undefined;
  }

  listen(events: SupervisorEvents): void {
    process.on('message', (data) => {
      const message = fromSupervisor.safeParse(data).data;
      if (message?.kind === 'stop') {
        this.#isStopping = true;
        events.stop();
      }
      if (message?.kind === 'committed') events.committed(message.order);
      else if (message?.kind === 'try-refused') events.tryRefused(message.order, message.reason);
    });
    process.on('disconnect', () => events.lost());
  }

  /** The program runs: what the supervisor needs to tell a program that ends from one that cannot even begin. */
  started(): void {
    this.#send({ kind: 'started' });
  }

  /** Asks to be stopped, so that the bundle in `folder` is tried. Answered by `stop` or `tryRefused`. */
  try(attempt: { folder: string; order: string; version: string; healthSeconds: number }): void {
    this.#send({ kind: 'try', ...attempt });
  }

  /** This candidate is well. Answered by `committed`. */
  healthy(): void {
    this.#send({ kind: 'healthy' });
  }

  /** What is wrong with this candidate as yet: the reason of its failure, should its time be up. */
  trouble(failure: UpgradeFailure, reason: string): void {
    this.#send({ kind: 'trouble', failure, reason: reason.slice(0, REASON_MAX_CHARACTERS) });
  }

  /** This candidate will never be well. */
  giveUp(failure: UpgradeFailure, reason: string): void {
    this.#send({ kind: 'give-up', failure, reason: reason.slice(0, REASON_MAX_CHARACTERS) });
  }

  /** The program has been removed from this machine: it is not to be started again. */
  uninstalled(): void {
    this.#send({ kind: 'uninstalled' });
  }

  /** Another supervisor keeps this very program running: this one is to end. Resolves when that was said. */
  async alreadyRuns(): Promise<void> {
    await new Promise<void>((resolve) => {
      if (process.connected && process.send !== undefined) process.send({ kind: 'already-runs' }, () => resolve());
      else resolve();
    });
  }

  #send(message: object): void {
    if (process.connected) process.send?.(message);
  }
}
