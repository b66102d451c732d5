import { Agent, request, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { COPY_ROLE_HEADER, type CopyRole } from '@bascule/protocol/pair-data.ts';
import { dialPeer, type PairTls } from './pair-tls.ts';

type Connected = (error: Error | null, stream: Duplex) => void;

/** An answer has begun within this. */
const ANSWER_LIMIT_MS = 30_000;
/** Without a byte for so long a transfer counts as cut. */
const STALL_LIMIT_MS = 30_000;

/** Requests to the other relay, over connections whose key was found to be the pinned one. */
export class PairAgent extends Agent {
  readonly #peer: { host: string; port: number };
  readonly #tls: PairTls;
  readonly #role: CopyRole;
  readonly #stopping = new AbortController();

  /** `role`: what this side is in the pair. */
  constructor(
    peer: { host: string; port: number },
    tls: PairTls,
    { role, connectionsMax }: { role: CopyRole; connectionsMax: number },
  ) {
    super({ keepAlive: true, maxSockets: connectionsMax });
    this.#peer = peer;
    this.#tls = tls;
    this.#role = role;
  }

  override createConnection(_options: unknown, callback?: Connected): undefined {
    void this.#connect(callback);
  }

  async #connect(callback?: Connected): Promise<void> {
    let socket;
    try {
      socket = await dialPeer(this.#peer, this.#tls, this.#stopping.signal);
    } catch (error) {
      // Node's types want a stream beside the error; Node itself does not.
      callback?.(error as Error, undefined as unknown as Duplex);
      return;
    }
    callback?.(null, socket);
  }

  /** GET `path`; the answer has begun when it resolves. Rejects when there is none. */
  async get(path: string, query: Record<string, string>, signal: AbortSignal): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const asking = request(
      {
        agent: this,
        host: 'pair',
        path: `${path}?${new URLSearchParams(query)}`,
        headers: { [COPY_ROLE_HEADER]: this.#role },
        signal,
      },
      resolve,
    );
    const timer = setTimeout(() => asking.destroy(new Error('The other appliance does not answer.')), ANSWER_LIMIT_MS);
    asking.on('error', reject);
    asking.setTimeout(STALL_LIMIT_MS, () => asking.destroy(new Error('Nothing came from the other appliance any more.')));
    asking.end();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#stopping.abort();
    this.destroy();
  }
}
