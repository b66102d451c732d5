/** 'Test the standby' (B133), as far as the standby can be tried without clients: its copy is opened as a site in a scratch folder, and thrown away. */
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { sitePaths } from '@bascule/core/home.ts';
import type { RehearsalState } from '@bascule/protocol/api/failover.ts';
import { noCopyYet, roleUnfit } from './failover-errors.ts';
import type { PairParts } from './pair-parts.ts';

export const NO_REHEARSAL: RehearsalState = {
  state: 'none',
  startedAtMs: null,
  endsAtMs: null,
  users: [],
  clients: [],
  steps: [],
};

export interface RehearsalOptions {
  parts(): PairParts;
  /** Opens the site in `siteDir` with every domain, migrates it, and closes it: without jobs, mail, links or listening. Rejects with what is wrong. */
  tryOut(siteDir: string): Promise<void>;
  changed(): void;
  /** It has passed, or failed with `reason`: for the alarm. */
  ended(reason: string | undefined): void;
}

export class Rehearsal {
  readonly #options: RehearsalOptions;
  #state: RehearsalState = NO_REHEARSAL;
  #running: Promise<void> | undefined;

  constructor(options: RehearsalOptions) {
    this.#options = options;
  }

  get state(): RehearsalState {
    return this.#state;
  }

  /** Tries the standby's copy; one at a time. Throws `FAILOVER_ROLE_UNFIT` at whoever serves, `FAILOVER_NO_COPY`, and what is wrong with the copy. */
  async run(): Promise<void> {
    this.#running ??= this.#run().finally(() => (this.#running = undefined));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { records, database, config, now, log } = this.#options.parts();
    if (records.serves) throw roleUnfit('A standby is tried at the standby: this appliance serves people and clients.');
    const { store } = database;
    if (store === undefined) throw noCopyYet();
    const folder = config.paths.rehearsal;
    const scratch = sitePaths(folder);
    this.#state = { ...NO_REHEARSAL, state: 'preparing', startedAtMs: now() };
    try {
      await this.#step('copy', 'A scratch copy of the site is made', async () => {
        rmSync(folder, { recursive: true, force: true });
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        await store.snapshot(scratch.database);
        cpSync(config.paths.keys, join(folder, 'keys'), { recursive: true });
      });
      await this.#step('open', 'The copy opens as a site, and its migrations apply', () => this.#options.tryOut(folder));
      this.#state = { ...this.#state, state: 'closed', endsAtMs: now() };
      this.#options.ended(undefined);
    } catch (error) {
      log.error({ err: error }, 'failover.rehearsal-failed');
      this.#state = { ...this.#state, state: 'failed', endsAtMs: now() };
      this.#options.ended(error instanceof Error ? error.message : String(error));
      throw error;
    } finally {
      rmSync(folder, { recursive: true, force: true });
      this.#options.changed();
    }
  }

  async #step(code: string, text: string, work: () => Promise<void>): Promise<void> {
    const { steps } = this.#state;
    const show = (outcome: 'running' | 'passed' | 'failed') => {
      this.#state = { ...this.#state, steps: [...steps, { code, outcome, text }] };
      this.#options.changed();
    };
    show('running');
    try {
      await work();
      show('passed');
    } catch (error) {
      show('failed');
      throw error;
    }
  }
}
