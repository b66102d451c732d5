import { useSyncExternalStore } from 'react';
import { readPreferences, writePreferences, type TerminalPreferences } from './terminal-preferences.ts';

let current: TerminalPreferences | undefined;
const listeners = new Set<() => void>();

/** The preferences of all terminals in this window. */
export function terminalPreferences(): TerminalPreferences {
  current ??= readPreferences(localStorage);
  return current;
}

/** Changes them for every terminal at once, and keeps them. */
export function setTerminalPreferences(preferences: TerminalPreferences): void {
  current = preferences;
  writePreferences(localStorage, preferences);
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useTerminalPreferences(): TerminalPreferences {
  return useSyncExternalStore(subscribe, terminalPreferences);
}
