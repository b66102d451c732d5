import type { TLSSocket } from 'node:tls';
import { fromWitness, WITNESS_LINE_MAX_BYTES, type FromWitness, type ToWitness } from '@bascule/protocol/witness-link.ts';
import { readJsonLines, writeJsonLine } from '@bascule/wire/json-lines.ts';
import { dialWitness, type WitnessAccess } from './witness-dial.ts';

/** Between two tries to reach the witness. Short: a lease lasts three seconds. */
const REDIAL_MS = 250;

export interface WitnessLinkEvents {
  onUp(): void;
  onDown(): void;
  onAnswer(answer: FromWitness): void;
}

/** The one connection to the witness: dialled anew as long as it is not closed. What it says is checked here. */
export class WitnessLink {
  readonly #access: WitnessAccess;
  readonly #events: WitnessLinkEvents;
  #socket: TLSSocket | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(access: WitnessAccess, events: WitnessLinkEvents) {
    this.#access = access;
    this.#events = events;
    void this.#dial();
  }

  /** Nothing is sent when there is no connection: the core hears of it by `onDown`. */
  send(message: ToWitness): void {
    if (this.#socket) writeJsonLine(this.#socket, message);
  }

  /** Gives up the connection that stands, and dials another. */
  drop(): void {
    this.#socket?.destroy();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#socket?.destroy();
  }

  async #dial(): Promise<void> {
    const socket = await dialWitness(this.#access).catch(() => undefined);
    if (socket === undefined) return this.#redial();
    if (this.#isClosed) return void socket.destroy();
    this.#socket = socket;
    // It may have been closed between handshake and here.
    if (socket.destroyed) return this.#lost(socket);
    socket.once('close', () => this.#lost(socket));
    readJsonLines(socket, WITNESS_LINE_MAX_BYTES, (value) => {
      if (this.#socket !== socket) return;
      const answer = fromWitness.safeParse(value).data;
      if (answer === undefined) socket.destroy();
      else this.#events.onAnswer(answer);
    });
    this.#events.onUp();
  }

  #lost(socket: TLSSocket): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    this.#events.onDown();
    this.#redial();
  }

  #redial(): void {
    if (!this.#isClosed) this.#timer = setTimeout(() => void this.#dial(), REDIAL_MS);
  }
}
