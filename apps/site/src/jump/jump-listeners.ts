import type { HeldSession } from '@bascule/protocol/control-link.ts';
import type { ClientMessage, Hello } from './link.ts';

export type ClientCutReason = 'revoked' | 'deleted' | 'replaced';

/** Who wants to hear of clients. Each list is called in the order of its making. */
export class JumpListeners {
  readonly link: ((clientId: string, connected: boolean) => void)[] = [];
  readonly sessions: ((clientId: string, held: HeldSession[]) => void)[] = [];
  readonly hello: ((clientId: string, hello: Hello) => void)[] = [];
  readonly message: ((clientId: string, message: ClientMessage) => void)[] = [];
  readonly cut: ((clientId: string, reason: ClientCutReason) => void)[] = [];
  readonly conflicts: (() => void)[] = [];

  linked(clientId: string, hello: Hello): void {
    for (const listener of this.link) listener(clientId, true);
    for (const listener of this.sessions) listener(clientId, hello.sessions);
    for (const listener of this.hello) listener(clientId, hello);
  }

  unlinked(clientId: string): void {
    for (const listener of this.link) listener(clientId, false);
  }

  received(clientId: string, message: ClientMessage): void {
    for (const listener of this.message) listener(clientId, message);
  }

  wasCut(clientId: string, reason: ClientCutReason): void {
    for (const listener of this.cut) listener(clientId, reason);
  }

  conflictsChanged(): void {
    for (const listener of this.conflicts) listener();
  }
}
