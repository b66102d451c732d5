import { setTimeout as delay } from 'node:timers/promises';
import { fleetSettings, type FleetSettings } from '@bascule/protocol/api/fleet.ts';
import type { ApiClient } from '@bascule/testkit/api-client.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';

/** One address may ask 200 times a second, and others come from the same one. */
const EVERY_MS = 10;
/** The setting that is changed carries the number of the change; nothing is upgraded here. */
const FIRST = 1_000_000;

/** Makes one numbered change after the other, of a kind that does not wait for the peer by itself, until one is not answered. */
export class ChangeWriter implements Disposable {
  readonly #settings: FleetSettings;
  readonly #work: Promise<void>;
  #answered = 0;
  #stopping = false;

  private constructor(api: ApiClient, settings: FleetSettings) {
    this.#settings = settings;
    this.#work = this.#write(api);
  }

  static async start(api: ApiClient): Promise<ChangeWriter> {
    const settings = await api.call('GET', 'fleet/settings', fleetSettings);
    return new ChangeWriter(api, { ...settings, upgrades: 'off' });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#work;
  }

  /** Stops, and tells how many changes that were answered are not there any more. The one under way is not waited for: it may hang at an address that has moved. */
  async lost(api: ApiClient): Promise<number> {
    this.#stopping = true;
    const answered = this.#answered;
    const { maxBytesPerSecond } = await waitUntil('the new primary tells its settings', () =>
      api.call('GET', 'fleet/settings', fleetSettings),
    );
    return Math.max(0, answered - ((maxBytesPerSecond ?? 0) - FIRST));
  }

  [Symbol.dispose](): void {
    this.#stopping = true;
  }

  async #write(api: ApiClient): Promise<void> {
    for (let number = 1; !this.#stopping; number += 1) {
      const body = { ...this.#settings, maxBytesPerSecond: FIRST + number };
      const answer = await api.send('PUT', 'fleet/settings', body).catch(() => undefined);
      if (answer?.status !== 200) return;
      this.#answered = number;
      await delay(EVERY_MS);
    }
  }
}
