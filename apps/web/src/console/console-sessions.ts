/** The sessions that this window has open, with their tabs. Lives beside React, so that a terminal outlives every redraw. */
import type { ApiClient } from '../shared/api-client.ts';
import { activateTab, closeTab, NO_TABS, openTab, rememberTabs, stepTab, type SessionTabs } from './session-tabs.ts';
import { ShellSession, type ShellInfo } from './terminal/shell-session.ts';
import type { ColorScheme } from './terminal/terminal-theme.ts';
import { terminalPreferences } from './terminal/use-terminal-preferences.ts';

export class ConsoleSessions {
  readonly #api: ApiClient;
  readonly #sessions = new Map<string, ShellSession>();
  readonly #listeners = new Set<() => void>();
  #tabs: SessionTabs = NO_TABS;
  /** The theme of terminals opened from now on. */
  scheme: ColorScheme = 'dark';

  constructor(api: ApiClient) {
    this.#api = api;
  }

  get tabs(): SessionTabs {
    return this.#tabs;
  }

  get(session: string): ShellSession | undefined {
    return this.#sessions.get(session);
  }

  get active(): ShellSession | undefined {
    return this.#tabs.active === null ? undefined : this.#sessions.get(this.#tabs.active);
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Opens a tab for a session, or brings its tab to the front. `label`: what a screen reader calls its terminal. */
  open(info: ShellInfo, label: string): void {
    if (!this.#sessions.has(info.id)) {
      this.#sessions.set(
        info.id,
        new ShellSession(info, this.#api, { scheme: this.scheme, preferences: terminalPreferences(), label }),
      );
    }
    this.#setTabs(openTab(this.#tabs, info.id));
  }

  /** Closes a tab; the session goes on. */
  close(session: string): void {
    this.#setTabs(closeTab(this.#tabs, session));
    this.#sessions.get(session)?.close();
    this.#sessions.delete(session);
  }

  activate(session: string | null): void {
    this.#setTabs(activateTab(this.#tabs, session));
  }

  step(by: 1 | -1): void {
    this.#setTabs(stepTab(this.#tabs, by));
  }

  /** Leaves all sessions, without forgetting that they were open. */
  closeAll(): void {
    for (const session of this.#sessions.values()) session.close();
    this.#sessions.clear();
    this.#tabs = NO_TABS;
  }

  #setTabs(tabs: SessionTabs): void {
    this.#tabs = tabs;
    rememberTabs(sessionStorage, tabs);
    for (const listener of this.#listeners) listener();
  }
}
