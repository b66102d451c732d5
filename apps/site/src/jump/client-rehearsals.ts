import type { ToClient } from '@bascule/protocol/control-link.ts';
import type { Hello } from './link.ts';

/** What the primary tells a client about a test of the standby. */
export type RehearsalMessage = Extract<ToClient, { kind: 'rehearse' | 'rehearsal-over' }>;

/** Which connected clients can take part in a test of the standby (wire 3.13): what each said in its `hello`. */
export class ClientRehearsals {
  readonly #able = new Set<string>();
  readonly #send: (clientId: string, message: ToClient) => boolean;

  /** `send`: to the client's live link; false when it has none. */
  constructor(send: (clientId: string, message: ToClient) => boolean) {
    this.#send = send;
  }

  linked(clientId: string, hello: Hello): void {
    if (hello.rehearses === true) this.#able.add(clientId);
    else this.#able.delete(clientId);
  }

  unlinked(clientId: string): void {
    this.#able.delete(clientId);
  }

  isAble(clientId: string): boolean {
    return this.#able.has(clientId);
  }

  /** False when the client is not connected, or does not know tests: it was told nothing then. */
  tell(clientId: string, message: RehearsalMessage): boolean {
    return this.isAble(clientId) && this.#send(clientId, message);
  }
}
