import type { z } from 'zod';
import type { Log } from '@bascule/log/log.ts';
import type { uninstalled } from '@bascule/protocol/api/fleet.ts';
import { SYSTEM, type Context, type Store } from '@bascule/store/store.ts';
import type { Jump } from '../jump/jump.ts';
import * as events from './fleet-events.ts';
import * as rows from './fleet-store.ts';

type Uninstalled = z.infer<typeof uninstalled>;

export interface UninstallsOptions {
  store: Store;
  jump: Jump;
  now(): number;
  log: Log;
}

/** Clients that are to remove themselves (B89): told now, or at their next connect. */
export class Uninstalls {
  readonly #options: UninstallsOptions;
  readonly #waiting: Set<string>;

  constructor(options: UninstallsOptions) {
    this.#options = options;
    this.#waiting = new Set(rows.uninstallIds(options.store));
  }

  /** Whether the client is to remove itself. */
  has(clientId: string): boolean {
    return this.#waiting.has(clientId);
  }

  /** Orders it, and answers the list for redeployment. Clients that there are not are left out. */
  order(context: Context, clientIds: readonly string[]): Uninstalled {
    const { store, jump, now } = this.#options;
    const found = [...new Set(clientIds)].flatMap((id) => jump.item(id) ?? []);
    // Clients older than 0.2.0, and those in a checkout, do not know how.
    const can = found.filter(({ id, revision }) => jump.softwareOf(id)?.upgradable ?? revision !== '');
    const names = can.slice(0, 20).map(({ name }) => name);
    store.transact(context, events.uninstallAsked({ clients: can.length, names }), (tx) => {
      for (const { id } of can)
        rows.writeUninstall(tx, {
          id,
          askedAtMs: now(),
          askedBy: context.actor.name,
          toldAtMs: jump.isOnline(id) ? now() : null,
        });
    });
    const able = new Set(can.map(({ id }) => id));
    for (const id of able) this.#waiting.add(id);
    return {
      clients: found.map(({ id, name, hostName, groupName }) => ({
        id,
        name,
        hostName,
        groupName,
        state: !able.has(id) ? 'cannot' : jump.sendToClient(id, { kind: 'uninstall' }) ? 'told' : 'will-be-told',
      })),
    };
  }

  /** The client came: it is told what it could not be told before. */
  connected(clientId: string): void {
    if (this.#waiting.has(clientId)) this.#options.jump.sendToClient(clientId, { kind: 'uninstall' });
  }

  /** It removes itself now, or says why it cannot. Nothing comes after the former: its identity is gone, and is refused from now on. */
  answered(clientId: string, failed: string | undefined): void {
    if (!this.#waiting.has(clientId)) return;
    const { store, jump, log } = this.#options;
    const name = jump.item(clientId)?.name ?? clientId;
    const event =
      failed === undefined
        ? events.uninstalled({ client: clientId, name })
        : events.uninstallFailed({ client: clientId, name, reason: failed });
    try {
      store.transact(SYSTEM, event, (tx) => {
        if (failed === undefined) rows.removeUninstall(tx, clientId);
        else rows.failUninstall(tx, clientId, failed);
      });
      this.#waiting.delete(clientId);
      if (failed === undefined && jump.item(clientId)?.state !== 'revoked') jump.revoke(SYSTEM, clientId);
    } catch (error) {
      // Told again at its next connect, if it ever comes.
      log.error({ err: error, client: clientId }, 'fleet.uninstall-not-noted');
    }
  }
}
