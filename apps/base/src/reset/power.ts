import { z } from 'zod';
import { AppError } from '@bascule/errors/app-error.ts';
import type { PowerOrder, PowerState } from '@bascule/protocol/api/reset.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import type { Context, Store } from '@bascule/store/store.ts';

/** The answer goes out, and the page shows it, before the machine goes. */
const ORDER_PAUSE_MS = 500;

const ordered = defineAuditEvent<{ order: string }>('POWER_ORDERED', 'Ordered: {order}');

/** The part of the helper that this needs. */
export interface PowerHelper {
  can(verb: string): Promise<boolean>;
  ask<T>(verb: string, args: Record<string, string>, answer: z.ZodType<T>): Promise<T>;
}

export interface PowerOptions {
  store: Store;
  helper: PowerHelper;
  /** Ends the appliance's programs in order. */
  stopBascule(): void;
  /** Who is there, for what is said before. */
  figures(): Promise<{ sessions: number; clientsOnline: number; peer: string | null }>;
}

/** Shutting the machine down, and restarting it, through the helper: base itself has no right to. */
export class Power {
  readonly #options: PowerOptions;

  constructor(options: PowerOptions) {
    this.#options = options;
  }

  async state(): Promise<PowerState> {
    const { helper, figures } = this.#options;
    const [mayShutDown, mayRestart, known] = await Promise.all([helper.can('power-off'), helper.can('reboot'), figures()]);
    const why =
      mayShutDown && mayRestart
        ? null
        : 'Nothing of this appliance may switch this machine off: it does not run as root, or runs in a container. Only Bascule itself can be stopped from here.';
    return { mayShutDown, mayRestart, why, ...known };
  }

  /** Does it half a second from now. Throws `POWER_NOT_ALLOWED`, `HELPER_REFUSED`. */
  async order(context: Context, order: PowerOrder): Promise<void> {
    const { store, helper, stopBascule } = this.#options;
    const verb = order === 'shut-down' ? 'power-off' : 'reboot';
    if (order !== 'stop-bascule' && !(await helper.can(verb)))
      throw new AppError('conflict', 'POWER_NOT_ALLOWED', 'Nothing of this appliance may switch this machine off.');
    store.transact(context, ordered({ order }), () => undefined);
    if (order !== 'stop-bascule') await helper.ask(verb, {}, z.unknown());
    else setTimeout(stopBascule, ORDER_PAUSE_MS);
  }
}
