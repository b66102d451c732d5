/** One access session in this window: the terminal, the link to the relay, and what is known about both. Knows nothing of React. */
import { FAILOVER_READ_ONLY } from '@bascule/protocol/api/failover.ts';
import { attachTicket, type AccessSessionRow } from '@bascule/protocol/api/access-sessions.ts';
import type { ViewerNotice } from '@bascule/protocol/data-link.ts';
import { ViewerClient, type ViewerStatus, type WebSocketLike } from '@bascule/wire/viewer-client.ts';
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
  /** Since when keystrokes wait and none was confirmed, on the clock of `performance.now()`. */
  waitingSinceMs: number | undefined;
  /** Typing was refused because too much waits. */
  full: boolean;
  /** Characters typed before a reload that did not arrive. */
  lost: number;
}

/** Answers to an attach after which another try makes no sense: gone, forbidden (the same answer), over. A backup's, while the site moves, is none of them. */
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
  #state: ShellState = { phase: 'connecting', ended: undefined, unconfirmed: 0, waitingSinceMs: undefined, full: false, lost: 0 };
  /** The size that the far terminal has, or was asked to take. */
  #farSize: TerminalSize | undefined;
  #closed = false;

  constructor(info: ShellInfo, api: ApiClient, terminal: Omit<TerminalViewOptions, 'input'>) {
    this.info = info;
    this.#api = api;
    this.view = new TerminalView({ ...terminal, input: true });
    this.#previous = rememberedInput(sessionStorage, info.id);
    this.view.terminal.onData((data) => this.type(data));
    this.view.terminal.onBinary((data) =>
      this.#send(
        Uint8Array.from(data, (character) => character.charCodeAt(0)),
        1,
      ),
    );
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
    this.#client?.close();
    this.#listeners.clear();
    this.view.dispose();
  }

  #connect(): void {
    if (this.#closed || this.#client) return;
    const size = this.view.fit();
    const client = new ViewerClient({
      open: openStream,
      getTicket: (limitMs) => this.#ticket(limitMs),
      ...(size && { size }),
      ...(this.#previous && { previousOrigin: this.#previous.origin }),
      onScreen: (screen, shown) => this.#showScreen(screen, shown),
      onOutput: (bytes, shown) => this.view.terminal.write(bytes, shown),
      onResized: (cols, rows) => this.#resized({ cols, rows }),
      onNotice: (notice) => this.#notice(notice),
      onStatus: (status) => this.#status(status),
      onUnconfirmed: () => this.#countInput(),
      onPreviousInput: (arrived) => this.#previous && this.#set({ lost: lostKeystrokes(this.#previous, arrived) }),
    });
    this.#client = client;
    this.#ledger = new InputLedger(client.origin);
    client.connect();
  }

  async #ticket(limitMs: number): Promise<string> {
    try {
      return (await this.#api.post(apiPaths.attachAccessSession(this.info.id), attachTicket, {}, limitMs)).ticket;
    } catch (error) {
      if (!(error instanceof ApiError) || !FINAL_STATUS.includes(error.status) || error.code === FAILOVER_READ_ONLY) throw error;
      throw Object.assign(new Error(error.message, { cause: error }), { permanent: true });
    }
  }

  #showScreen(screen: TerminalSize & { text: string }, shown: () => void): void {
    const { terminal } = this.view;
    terminal.reset();
    this.#resized(screen);
    terminal.write(screen.text, () => {
      shown();
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
    this.#client.resize(size.cols, size.rows);
  }

  #status(status: ViewerStatus): void {
    this.#know({ linked: status === 'live', wasLinked: this.#facts.wasLinked || status === 'live' });
    if (status === 'live') this.fit();
    if (status === 'ended') void this.#givenUp();
  }

  #notice(notice: ViewerNotice): void {
    if (notice.kind === 'agent') this.#know({ agentConnected: notice.connected });
    else if (notice.kind === 'paused') this.#know({ paused: notice.paused });
    else this.#end({ reason: notice.reason, exitCode: notice.exitCode });
  }

  /** The link is gone for good: the session is over, or a newer link of this page has it (wire 4.10). */
  async #givenUp(): Promise<void> {
    if (this.#facts.ended || this.#closed) return;
    const end = await readEnd(this.#api, this.info.id);
    if (this.#facts.ended || this.#closed) return;
    if (end === 'running') this.#know({ replaced: true });
    else this.#end(end);
  }

  #end(ended: NonNullable<ShellFacts['ended']>): void {
    forgetInput(sessionStorage, this.info.id);
    this.view.terminal.options.disableStdin = true;
    this.#know({ ended });
  }

  #send(bytes: Uint8Array, keystrokes: number): void {
    const client = this.#client;
    if (!client || this.#facts.ended) return;
    const taken = client.send(bytes);
    if (taken) this.#ledger?.sent(client.unconfirmedInput().end, keystrokes);
    // Too much waits already: nothing was taken, and the person is told.
    else this.#set({ full: true });
    this.#countInput();
  }

  #countInput(): void {
    const client = this.#client;
    if (!client || !this.#ledger || this.#closed || this.#facts.ended) return;
    const { bytes, end } = client.unconfirmedInput();
    this.#ledger.confirmed(end - bytes);
    this.#ledger.remember(sessionStorage, this.info.id);
    const { unconfirmed, waitingSinceMs } = this.#ledger;
    if (unconfirmed === this.#state.unconfirmed && waitingSinceMs === this.#state.waitingSinceMs) return;
    this.#set({ unconfirmed, waitingSinceMs, full: unconfirmed > 0 && this.#state.full });
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
