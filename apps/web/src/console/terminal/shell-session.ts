/** One access session in this window: the terminal, the link to the relay, and what is known about both. Knows nothing of React. */
import { attachTicket, type AccessSessionRow } from '@bascule/protocol/api/access-sessions.ts';
import type { ViewerNotice } from '@bascule/protocol/data-link.ts';
import { ViewerClient, ViewerStopped, type ViewerStatus, type WebSocketLike } from '@bascule/wire/viewer-client.ts';
import { ApiError, type ApiClient } from '../../shared/api-client.ts';
import { apiPaths, STREAM_PATH } from '../../shared/paths.ts';
import { readEnd } from './read-end.ts';
import { forgetInput, InputLedger, keystrokesIn, lostKeystrokes, rememberedInput, type RememberedInput } from './input-ledger.ts';
import { NOT_YET, phaseOf, type ShellFacts, type ShellPhase } from './shell-phase.ts';
import { TerminalView, type TerminalSize, type TerminalViewOptions } from './terminal-view.ts';

export type ShellInfo = Pick<AccessSessionRow, 'id' | 'jumpItemId' | 'jumpItemName' | 'hostName' | 'runsAs'>;

export interface ShellState {
  phase: ShellPhase;
  ended: ShellFacts['ended'];
  /** Keystrokes that the far side has not confirmed. */
  unconfirmed: number;
  /** Typing was refused because too much waits. */
  full: boolean;
  /** Characters typed before a reload that did not arrive. */
  lost: number;
}

/** Confirmations come without a call: while something waits for one, it is looked for this often. */
const COUNT_EVERY_MS = 100;
/** Answers to an attach after which another try makes no sense: gone, forbidden (the same answer), over. */
const FINAL_STATUS: readonly number[] = [403, 404, 409, 410];

export class ShellSession {
  readonly info: ShellInfo;
  readonly view: TerminalView;
  readonly #api: ApiClient;
  readonly #listeners = new Set<() => void>();
  readonly #previous: RememberedInput | undefined;
  #client: ViewerClient | undefined;
  #ledger: InputLedger | undefined;
  #opened: Promise<void> | undefined;
  #facts: ShellFacts = NOT_YET;
  #state: ShellState = { phase: 'connecting', ended: undefined, unconfirmed: 0, full: false, lost: 0 };
  /** The size that the far terminal has, or was asked to take. */
  #farSize: TerminalSize | undefined;
  #countTimer: ReturnType<typeof setTimeout> | undefined;
  #lostCounted = false;
  #closed = false;

  constructor(info: ShellInfo, api: ApiClient, terminal: Omit<TerminalViewOptions, 'input'>) {
    this.info = info;
    this.#api = api;
    this.view = new TerminalView({ ...terminal, input: true });
    this.#previous = rememberedInput(sessionStorage, info.id);
    this.view.terminal.onData((data) => this.type(data));
    this.view.terminal.onBinary((data) => this.#send(Uint8Array.from(data, (character) => character.charCodeAt(0)), 1));
  }

  get state(): ShellState {
    return this.#state;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Shows the terminal in `place`; the first time it also connects. */
  async attach(place: HTMLElement): Promise<void> {
    const opened = this.view.open(place);
    this.#opened ??= opened.then(() => this.#connect());
    await this.#opened;
  }

  /** Types `text`. */
  type(text: string): void {
    this.#send(new TextEncoder().encode(text), keystrokesIn(text));
  }

  /** Fits the terminal to its place, and tells the far side. */
  fit(): void {
    const size = this.view.fit();
    if (size) this.#requestSize(size);
  }

  dismissLost(): void {
    this.#set({ lost: 0 });
  }

  /** Leaves the session, which goes on. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#countTimer);
    this.#client?.close();
    this.#listeners.clear();
    this.view.dispose();
  }

  #connect(): void {
    if (this.#closed || this.#client) return;
    this.view.fit();
    const client = new ViewerClient({
      open: openStream,
      getTicket: () => this.#ticket(),
      ...(this.#previous && { previousOrigin: this.#previous.origin }),
      onScreen: (screen) => this.#showScreen(screen),
      onOutput: (bytes, _offset, done) => this.view.terminal.write(bytes, done),
      onResized: (cols, rows) => this.#resized({ cols, rows }),
      onExit: () => undefined,
      onNotice: (notice) => this.#notice(notice),
      onStatus: (status, detail) => this.#status(status, detail),
      onPreviousInput: (arrived) => this.#countLost(arrived),
    });
    this.#client = client;
    this.#ledger = new InputLedger(client.origin);
    client.start();
  }

  async #ticket(): Promise<string> {
    try {
      return (await this.#api.post(apiPaths.attachAccessSession(this.info.id), attachTicket)).ticket;
    } catch (error) {
      if (error instanceof ApiError && FINAL_STATUS.includes(error.status)) throw new ViewerStopped(error.message, { cause: error });
      throw error;
    }
  }

  #showScreen(screen: TerminalSize & { text: string }): void {
    const { terminal } = this.view;
    terminal.reset();
    this.#resized(screen);
    terminal.write(screen.text, () => {
      if (!this.#closed) this.fit();
    });
  }

  #resized(size: TerminalSize): void {
    this.#farSize = { cols: size.cols, rows: size.rows };
    this.view.terminal.resize(size.cols, size.rows);
  }

  #requestSize(size: TerminalSize): void {
    const known = this.#farSize;
    if (!this.#client || (known && known.cols === size.cols && known.rows === size.rows)) return;
    this.#farSize = size;
    this.#client.resize(size);
  }

  #status(status: ViewerStatus, detail: string | undefined): void {
    this.#know({ linked: status === 'live', wasLinked: this.#facts.wasLinked || status === 'live' });
    if (status === 'live') this.fit();
    if (status === 'ended') void this.#givenUp(detail);
  }

  #notice(notice: ViewerNotice): void {
    if (notice.kind === 'agent') this.#know({ agentConnected: notice.connected });
    else if (notice.kind === 'paused') this.#know({ paused: notice.paused });
    else this.#end({ reason: notice.reason, exitCode: notice.exitCode });
  }

  /** The link is gone for good: a newer link of this page has it, or the session is over. */
  async #givenUp(detail: string | undefined): Promise<void> {
    if (this.#facts.ended || this.#closed) return;
    if (detail === 'replaced') {
      this.#know({ replaced: true });
      return;
    }
    const end = await readEnd(this.#api, this.info.id);
    if (!this.#facts.ended && !this.#closed) this.#end(end);
  }

  #end(ended: NonNullable<ShellFacts['ended']>): void {
    clearTimeout(this.#countTimer);
    forgetInput(sessionStorage, this.info.id);
    this.view.terminal.options.disableStdin = true;
    this.#know({ ended });
  }

  #send(bytes: Uint8Array, keystrokes: number): void {
    const client = this.#client;
    if (!client || this.#facts.ended) return;
    try {
      client.send(bytes);
      this.#ledger?.sent(client.inputEnd(), keystrokes);
    } catch {
      // Too much waits already: nothing was taken, and the person is told (wire 4.7).
      this.#set({ full: true });
    }
    this.#countInput();
  }

  /** Counts what is unconfirmed, and again until nothing is. */
  #countInput(): void {
    const client = this.#client;
    clearTimeout(this.#countTimer);
    if (!client || !this.#ledger || this.#closed || this.#facts.ended) return;
    this.#ledger.confirmed(client.inputEnd() - client.unconfirmedInput());
    this.#ledger.remember(sessionStorage, this.info.id);
    const { unconfirmed } = this.#ledger;
    if (unconfirmed !== this.#state.unconfirmed) this.#set(unconfirmed === 0 ? { unconfirmed, full: false } : { unconfirmed });
    if (unconfirmed > 0) this.#countTimer = setTimeout(() => this.#countInput(), COUNT_EVERY_MS);
  }

  #countLost(arrived: number | null): void {
    // Null: the agent is away and nobody knows yet; asked again with the next link.
    if (arrived === null || !this.#previous || this.#lostCounted) return;
    this.#lostCounted = true;
    this.#set({ lost: lostKeystrokes(this.#previous, arrived) });
  }

  #know(facts: Partial<ShellFacts>): void {
    this.#facts = { ...this.#facts, ...facts };
    this.#set({ phase: phaseOf(this.#facts), ended: this.#facts.ended });
  }

  #set(change: Partial<ShellState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener();
  }
}

/** A browser's WebSocket is one; only the types of its event handlers say less. */
function openStream(): WebSocketLike {
  return new WebSocket(new URL(STREAM_PATH, location.href.replace(/^http/, 'ws'))) as unknown as WebSocketLike;
}
