/** One recording being read and played: brings the terminal, the index and the playback together. Knows nothing of React. */
import { SerializeAddon } from '@xterm/addon-serialize';
import { Terminal } from '@xterm/xterm';
import { TerminalView } from '../console/terminal/terminal-view.ts';
import type { ColorScheme } from '../console/terminal/terminal-theme.ts';
import { terminalPreferences } from '../console/terminal/use-terminal-preferences.ts';
import type { CastIndex, ShadowTerminal } from './cast-index.ts';
import { Playback, type Stage } from './playback.ts';
import { readCast } from './read-cast.ts';

/** Lines above the screen that the player and its captured screens keep. */
const SCROLLBACK_LINES = 500;

export type ReadingState = { kind: 'reading' } | { kind: 'whole' } | { kind: 'failed'; error: unknown };

export class PlayedRecording {
  readonly view: TerminalView;
  readonly #listeners = new Set<() => void>();
  readonly #stop = new AbortController();
  #started = false;
  index: CastIndex | undefined;
  playback: Playback | undefined;
  reading: ReadingState = { kind: 'reading' };

  constructor(scheme: ColorScheme, label: string) {
    this.view = new TerminalView({
      scheme,
      preferences: { ...terminalPreferences(), fontSize: 13 },
      label,
      input: false,
      scrollback: SCROLLBACK_LINES,
    });
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Reads the recording from `url` and shows its first moment. */
  async read(url: string): Promise<void> {
    const shadow = shadowTerminal();
    try {
      const response = await fetch(url, { credentials: 'same-origin', signal: this.#stop.signal });
      if (!response.ok || !response.body) throw new Error(`the appliance answered ${response.status}`);
      await readCast(response.body, shadow, {
        onIndex: (index, size) => this.#begin(index, size),
        onGrown: () => {
          this.#showFirstMoment();
          this.playback?.refresh();
          this.#changed();
        },
      });
      this.reading = { kind: 'whole' };
    } catch (error) {
      this.reading = { kind: 'failed', error };
    } finally {
      shadow.dispose();
      this.#changed();
    }
  }

  close(): void {
    this.#stop.abort();
    this.#listeners.clear();
    this.playback?.close();
    this.view.dispose();
  }

  #showFirstMoment(): void {
    if (this.#started || !this.playback || !this.index || this.index.chunkCount === 0) return;
    this.#started = true;
    if (!this.playback.state.playing) this.playback.seek(0);
  }

  #begin(index: CastIndex, size: { cols: number; rows: number }): void {
    const { terminal } = this.view;
    const stage: Stage = {
      reset: () => terminal.reset(),
      resize: (cols, rows) => {
        terminal.resize(cols, rows);
        this.#changed();
      },
      write: (text) => this.view.write(text),
    };
    terminal.resize(size.cols, size.rows);
    this.index = index;
    this.playback = new Playback(index, stage);
    this.playback.subscribe(() => this.#changed());
    this.#changed();
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

function shadowTerminal(): ShadowTerminal & { dispose: () => void } {
  const terminal = new Terminal({ allowProposedApi: true, scrollback: SCROLLBACK_LINES });
  const serialize = new SerializeAddon();
  terminal.loadAddon(serialize);
  return {
    write: (text) => new Promise((resolve) => terminal.write(text, resolve)),
    resize: (cols, rows) => terminal.resize(cols, rows),
    capture: () => serialize.serialize({ scrollback: SCROLLBACK_LINES }),
    dispose: () => terminal.dispose(),
  };
}
