import type { Log } from '@bascule/log/log.ts';
import type { ClientProgram } from '@bascule/protocol/client-program.ts';
import type { FromClient, HeldSession, ToClient } from '@bascule/protocol/control-link.ts';
import type { DialTarget, DialTls } from './dial.ts';

export type SessionMessage = Extract<ToClient, { kind: 'session-open' | 'ticket' | 'session-end' | 'session-forget' }>;

/** How data links are dialled; `alpn`: another than `bascule-data/1`. */
export type DataLinkTls = Omit<DialTls, 'alpn'> & { alpn?: string };

/** What the shared part of a client program lends to its sessions. */
export interface SessionsContext {
  /** Where data links are dialled: where the control link is. */
  target(): DialTarget;
  tls(): DataLinkTls;
  /** Sends on the control link; false when there is none. */
  send(message: FromClient): boolean;
  log: Log;
}

/** The sessions of a client program; they outlive every connection, and end with the program. */
export interface FaceSessions {
  readonly size: number;
  /** For `hello`. */
  held(): HeldSession[];
  /** The site has accepted this client: sessions without a data link ask for one, and all of them when the site is elsewhere now (`hasMoved`). */
  linkAccepted(hasMoved: boolean): void;
  linkEnded(): void;
  received(message: SessionMessage): void;
  /** The last session is gone. */
  onIdle(listener: () => void): void;
  /** Ends every process and waits for the output to be complete, at most `limitMs`; then kills. */
  endAll(limitMs: number): Promise<void>;
  close(): void;
}

/** What makes one client program differ from the others. */
export interface Face {
  program: ClientProgram;
  /** Its command, for people: `bascule-jump-client`. */
  command: string;
  sessions(context: SessionsContext): FaceSessions;
  /** Opens and closes a shell as a session would; rejects with a sentence. Absent in programs without shells. */
  probeShell?(): Promise<void>;
}
