import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '@bascule/log/log.ts';
import { COPY_LIVE_PATH, COPY_MESSAGE_MAX_BYTES, COPY_ROLE_HEADER, type CopyState } from '@bascule/protocol/pair-data.ts';
import { BackOff } from '@bascule/wire/back-off.ts';
import { dialWebSocket, type LinkSocket } from '@bascule/wire/web-socket.ts';
import { BackgroundCopy, FETCHES_MAX } from './background-copy.ts';
import type { CopyStore } from './copy-store.ts';
import { LiveCopy } from './live-copy.ts';
import { PairAgent } from './pair-agent.ts';
import { dialPeer, type PairTls } from './pair-tls.ts';

const REDIAL_FIRST_MS = 100;
const REDIAL_MAX_MS = 2000;
const TELL_EVERY_MS = 1000;

export interface CopyFollowerOptions {
  tls: PairTls;
  peer: { host: string; port: number };
  store: CopyStore;
  changed(): void;
  log: Log;
}

/** Copies what the source has: the live link for what is being recorded, and everything else in the background. */
export class CopyFollower {
  readonly #options: CopyFollowerOptions;
  readonly #background: BackgroundCopy;
  readonly #agent: PairAgent;
  readonly #stopping = new AbortController();
  readonly #redial = new BackOff(REDIAL_FIRST_MS, REDIAL_MAX_MS);
  readonly #timer: NodeJS.Timeout;
  readonly #loop: Promise<void>;
  #live: LiveCopy | undefined;

  constructor(options: CopyFollowerOptions) {
    this.#options = options;
    const { tls, peer, store, log } = options;
    this.#agent = new PairAgent(peer, tls, { role: 'follower', connectionsMax: FETCHES_MAX });
    this.#background = new BackgroundCopy({
      agent: this.#agent,
      store,
      isLive: (path) => this.#live?.has(path) === true,
      changed: () => this.#tell(),
      log,
    });
    this.#timer = setInterval(() => this.#tell(), TELL_EVERY_MS);
    this.#loop = this.#run();
  }

  get isConnected(): boolean {
    return this.#live !== undefined;
  }

  get state(): CopyState {
    const { stopped } = this.#options.store;
    const background = this.#background.state;
    return {
      ...background,
      recordingBytesLeft: background.recordingBytesLeft + (this.#live?.bytesLeft ?? 0),
      ...(stopped !== undefined && { stopped: stopped.slice(0, 500) }),
    };
  }

  /** Looks for what is missing at once. */
  lookAgain(): void {
    this.#background.lookAgain();
  }

  /** Resolves when nothing is written any more. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#stopping.abort();
    this.#agent.close();
    await Promise.all([this.#live?.close(), this.#background.close(), this.#loop]);
    this.#options.store.close();
  }

  #tell(): void {
    // The live recordings the source counts itself.
    this.#live?.tell({ ...this.state, recordingBytesLeft: this.#background.state.recordingBytesLeft });
    this.#options.changed();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    await this.#options.store.measure();
    while (!signal.aborted) {
      try {
        await this.#connect(signal);
      } catch (error) {
        if (!signal.aborted) this.#options.log.debug({ error: (error as Error).message }, 'pair-data-link-failed');
      }
      await delay(this.#redial.next(), undefined, { signal }).catch(() => {});
    }
  }

  /** One link, from dialling to its end. */
  async #connect(signal: AbortSignal): Promise<void> {
    const { peer, tls, store, log } = this.#options;
    const secure = await dialPeer(peer, tls, signal);
    const socket: LinkSocket = dialWebSocket({
      url: `ws://pair${COPY_LIVE_PATH}`,
      maxMessageBytes: COPY_MESSAGE_MAX_BYTES,
      createConnection: () => secure,
      headers: { [COPY_ROLE_HEADER]: 'follower' },
      unmasked: true,
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    const live = new LiveCopy(
      socket,
      store,
      {
        claim: (path) => this.#background.claim(path),
        released: (_path, isWhole) => {
          if (!isWhole) this.#background.lookAgain();
        },
        closed: resolve,
      },
      log,
    );
    socket.on('open', () => {
      this.#live = live;
      this.#redial.reset();
      log.info({ peer: peer.host }, 'pair-following');
      this.#background.start();
      this.#tell();
    });
    await promise;
    if (this.#live === live) this.#live = undefined;
    await live.close();
    this.#options.changed();
  }
}
