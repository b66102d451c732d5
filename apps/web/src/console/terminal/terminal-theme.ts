/** The terminal's colours in the two themes: sixteen colours with at least 4.5:1 against the background where they are used for text. */
import type { ITheme } from '@xterm/xterm';

export type ColorScheme = 'dark' | 'light';

export const TERMINAL_THEMES: Record<ColorScheme, ITheme> = {
  dark: {
    background: '#101316',
    foreground: '#d7dce2',
    cursor: '#e8ecf1',
    cursorAccent: '#101316',
    selectionBackground: '#2f4a6d',
    selectionInactiveBackground: '#2a3440',
    black: '#2a313a',
    red: '#f2777a',
    green: '#8cc98a',
    yellow: '#e5c07b',
    blue: '#79b0f5',
    magenta: '#cf9bea',
    cyan: '#6cc7cf',
    white: '#d7dce2',
    brightBlack: '#7d8896',
    brightRed: '#ff9a9c',
    brightGreen: '#a8dfa6',
    brightYellow: '#f3d59b',
    brightBlue: '#a1c8ff',
    brightMagenta: '#e1b8f7',
    brightCyan: '#92dde4',
    brightWhite: '#ffffff',
  },
  light: {
    background: '#ffffff',
    foreground: '#1f2730',
    cursor: '#1f2730',
    cursorAccent: '#ffffff',
    selectionBackground: '#b9d3f3',
    selectionInactiveBackground: '#dde4ec',
    black: '#1f2730',
    red: '#b3261e',
    green: '#22692b',
    yellow: '#7f5700',
    blue: '#1957a8',
    magenta: '#8333a4',
    cyan: '#0b6870',
    white: '#5a6570',
    brightBlack: '#5f6b77',
    brightRed: '#c5362d',
    brightGreen: '#2c7a36',
    brightYellow: '#8a6100',
    brightBlue: '#2468c2',
    brightMagenta: '#9443b5',
    brightCyan: '#17757e',
    brightWhite: '#46515c',
  },
};

/** Colours of search marks; xterm takes #RRGGBB only. */
export const SEARCH_DECORATIONS: Record<
  ColorScheme,
  { matchBackground: string; activeMatchBackground: string; matchOverviewRuler: string; activeMatchColorOverviewRuler: string }
> = {
  dark: {
    matchBackground: '#5b4a1a',
    activeMatchBackground: '#a3761a',
    matchOverviewRuler: '#a3761a',
    activeMatchColorOverviewRuler: '#f3d59b',
  },
  light: {
    matchBackground: '#ffe9a8',
    activeMatchBackground: '#ffc53d',
    matchOverviewRuler: '#c99700',
    activeMatchColorOverviewRuler: '#8a6100',
  },
};
