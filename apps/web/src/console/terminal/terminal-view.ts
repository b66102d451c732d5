/** One xterm.js terminal with its add-ons: what the console's sessions and the recording player show themselves on. */
import { FitAddon } from '@xterm/addon-fit';
import { SearchAddon } from '@xterm/addon-search';
import { WebglAddon } from '@xterm/addon-webgl';
import { Terminal, type IDisposable } from '@xterm/xterm';
import { FONT_FAMILIES, SCROLLBACK_LINES, type TerminalPreferences } from './terminal-preferences.ts';
import { allowTerminalStyles } from './terminal-styles.ts';
import { SEARCH_DECORATIONS, TERMINAL_THEMES, type ColorScheme } from './terminal-theme.ts';

export interface TerminalSize {
  cols: number;
  rows: number;
}

export interface TerminalViewOptions {
  scheme: ColorScheme;
  preferences: TerminalPreferences;
  /** What a screen reader calls the terminal. */
  label: string;
  /** False for a terminal that only shows (the player). */
  input: boolean;
  /** Scroll-back lines; SCROLLBACK_LINES if absent. */
  scrollback?: number;
}

/** Whether WebGL is drawn by a graphics card: drawn in software it is slower than plain elements. */
let hardwareWebgl: boolean | undefined;
function hasHardwareWebgl(): boolean {
  hardwareWebgl ??= document.createElement('canvas').getContext('webgl2', { failIfMajorPerformanceCaveat: true }) !== null;
  return hardwareWebgl;
}

export class TerminalView {
  readonly terminal: Terminal;
  readonly #host = document.createElement('div');
  readonly #label: string;
  readonly #fit = new FitAddon();
  readonly #search = new SearchAddon();
  #scheme: ColorScheme;
  #webgl: WebglAddon | undefined;

  constructor(options: TerminalViewOptions) {
    allowTerminalStyles();
    this.#scheme = options.scheme;
    this.terminal = new Terminal({
      allowProposedApi: true,
      cursorBlink: false,
      disableStdin: !options.input,
      fontFamily: FONT_FAMILIES[options.preferences.fontFamily],
      fontSize: options.preferences.fontSize,
      lineHeight: 1.15,
      // Far programs choose colours without knowing our background (WCAG 2.2, 1.4.3).
      minimumContrastRatio: 4.5,
      scrollback: options.scrollback ?? SCROLLBACK_LINES,
      screenReaderMode: options.preferences.screenReader,
      theme: TERMINAL_THEMES[options.scheme],
      // Links in what a far machine prints are not followed: it chooses where they lead.
      linkHandler: { activate: () => undefined },
    });
    this.terminal.loadAddon(this.#fit);
    this.terminal.loadAddon(this.#search);
    this.#label = options.label;
    this.#host.style.cssText = 'width: 100%; height: 100%';
  }

  /** Puts the terminal into `place`. Resolves when it is drawn: it waits for the font, because cells are measured once. */
  async open(place: HTMLElement): Promise<void> {
    place.append(this.#host);
    const { fontSize, fontFamily } = this.terminal.options;
    await document.fonts.load(`${fontSize}px ${fontFamily}`).catch(() => undefined);
    if (this.terminal.element || !this.#host.isConnected) return;
    this.terminal.open(this.#host);
    this.terminal.textarea?.setAttribute('aria-label', this.#label);
  }

  /** Draws with the graphics card while the terminal is to be seen; browsers allow few such canvases at a time. */
  setVisible(visible: boolean): void {
    if (!visible) {
      this.#webgl?.dispose();
      this.#webgl = undefined;
    } else if (!this.#webgl && this.terminal.element && hasHardwareWebgl()) {
      this.#startWebgl();
    }
  }

  #startWebgl(): void {
    try {
      const webgl = new WebglAddon();
      webgl.onContextLoss(() => {
        webgl.dispose();
        if (this.#webgl === webgl) this.#webgl = undefined;
      });
      this.terminal.loadAddon(webgl);
      this.#webgl = webgl;
    } catch {
      // Without WebGL the terminal draws with elements.
      this.#webgl = undefined;
    }
  }

  /** Fits the size in cells to the place; gives the size, or `undefined` while there is nothing to measure. */
  fit(): TerminalSize | undefined {
    const proposed = this.#fit.proposeDimensions();
    if (!proposed || !Number.isFinite(proposed.cols) || !Number.isFinite(proposed.rows)) return undefined;
    const size = { cols: Math.min(Math.max(proposed.cols, 2), 1000), rows: Math.min(Math.max(proposed.rows, 1), 500) };
    if (size.cols !== this.terminal.cols || size.rows !== this.terminal.rows) this.terminal.resize(size.cols, size.rows);
    return size;
  }

  setScheme(scheme: ColorScheme): void {
    this.#scheme = scheme;
    this.terminal.options.theme = TERMINAL_THEMES[scheme];
  }

  setPreferences(preferences: TerminalPreferences): void {
    this.terminal.options.fontSize = preferences.fontSize;
    this.terminal.options.fontFamily = FONT_FAMILIES[preferences.fontFamily];
    this.terminal.options.screenReaderMode = preferences.screenReader;
  }

  /** Marks all places of `text` and goes to the next (or previous) one. */
  find(text: string, direction: 'next' | 'previous', typing = false): void {
    const options = { decorations: SEARCH_DECORATIONS[this.#scheme], incremental: typing };
    if (text === '') this.#search.clearDecorations();
    else if (direction === 'next') this.#search.findNext(text, options);
    else this.#search.findPrevious(text, options);
  }

  endFind(): void {
    this.#search.clearDecorations();
    this.terminal.clearSelection();
  }

  onFound(listener: (found: { index: number; count: number }) => void): IDisposable {
    return this.#search.onDidChangeResults(({ resultIndex, resultCount }) =>
      listener({ index: resultIndex, count: resultCount }),
    );
  }

  write(data: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => this.terminal.write(data, resolve));
  }

  /** Everything in the buffer, wrapped lines joined, without empty lines at the end. */
  text(): string {
    const { active } = this.terminal.buffer;
    const lines: string[] = [];
    for (let row = 0; row < active.length; row += 1) {
      const line = active.getLine(row);
      if (!line) continue;
      const continues = active.getLine(row + 1)?.isWrapped ?? false;
      const text = line.translateToString(!continues);
      if (line.isWrapped && lines.length > 0) lines[lines.length - 1] += text;
      else lines.push(text);
    }
    return lines.join('\n').trimEnd();
  }

  dispose(): void {
    this.#host.remove();
    this.#webgl?.dispose();
    this.terminal.dispose();
  }
}
