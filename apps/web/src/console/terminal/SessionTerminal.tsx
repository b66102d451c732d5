import { useEffect, useRef, useState, useSyncExternalStore, type RefObject } from 'react';
import { useComputedColorScheme } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useTranslation } from 'react-i18next';
import { EndedBar } from './EndedBar.tsx';
import { PasteDialog, type PasteQuestion } from './PasteDialog.tsx';
import { PASTE_MAX_CHARACTERS } from './paste-guard.ts';
import type { ShellSession } from './shell-session.ts';
import { StatusBar } from './StatusBar.tsx';
import { copySelection, guardPaste, pasteText, type ClipboardHandlers } from './terminal-clipboard.ts';
import { terminalCommand, type TerminalCommand } from './terminal-keys.ts';
import { TerminalSearchBar } from './TerminalSearchBar.tsx';
import { useTerminalPreferences } from './use-terminal-preferences.ts';
import classes from './terminal.module.css';

/** A window that is being resized asks the far side for a new size this long after its last change. */
const RESIZE_SETTLE_MS = 80;

export interface SessionTerminalProps {
  session: ShellSession;
  /** Whether its tab is in front. */
  visible: boolean;
  /** Undefined until the list of active sessions has said it. */
  recordsInput: boolean | undefined;
  onCommand: (command: 'leave' | 'previous-tab' | 'next-tab') => void;
  onEnd: () => void;
  onJumpAgain: () => void;
  onClose: () => void;
}

/** A session's tab: the terminal, its search bar, its status bar, and what is asked about pastes. */
export function SessionTerminal(props: SessionTerminalProps) {
  const { session, visible } = props;
  const { t } = useTranslation('console');
  const place = useRef<HTMLDivElement>(null);
  const [searching, setSearching] = useState(false);
  const [question, setQuestion] = useState<PasteQuestion>();
  const state = useSyncExternalStore(
    (listener) => session.subscribe(listener),
    () => session.state,
  );
  const focus = (): void => session.view.terminal.focus();
  const clipboard: ClipboardHandlers = {
    send: (text) => session.type(text),
    ask: (decision) => {
      if (decision.kind === 'ask') setQuestion(decision);
      else
        notifications.show({
          color: 'red',
          message: t('paste.tooLong', { count: decision.characters, max: PASTE_MAX_CHARACTERS }),
        });
    },
  };
  const run = (command: TerminalCommand): void => {
    if (command === 'copy') copySelection(session.view);
    else if (command === 'search') setSearching(true);
    else if (command === 'paste') void pasteFromMenu();
    else props.onCommand(command);
  };
  const pasteFromMenu = async (): Promise<void> => {
    try {
      pasteText(session.view, await navigator.clipboard.readText(), clipboard);
      focus();
    } catch {
      notifications.show({ message: t('paste.denied') });
    }
  };
  useTerminalLook(session);
  useTerminalPlace(session, place, visible, clipboard, run);
  const answer = (paste: boolean): void => {
    if (paste && question) session.type(question.text);
    setQuestion(undefined);
    requestAnimationFrame(focus);
  };
  const closeSearch = (): void => {
    setSearching(false);
    focus();
  };
  return (
    <div className={classes['session']} data-phase={state.phase} data-unconfirmed={state.unconfirmed}>
      {searching && <TerminalSearchBar view={session.view} onClose={closeSearch} />}
      <div ref={place} className={classes['place']} />
      {state.ended && <EndedBar session={session} ended={state.ended} onJumpAgain={props.onJumpAgain} onClose={props.onClose} />}
      <StatusBar session={session} state={state} recordsInput={props.recordsInput} onCommand={run} onEnd={props.onEnd} />
      <PasteDialog question={question} onAnswer={answer} />
    </div>
  );
}

/** Theme and preferences of the terminal. */
function useTerminalLook(session: ShellSession): void {
  const scheme = useComputedColorScheme('dark');
  const preferences = useTerminalPreferences();
  useEffect(() => session.view.setScheme(scheme), [session, scheme]);
  useEffect(() => {
    session.view.setPreferences(preferences);
    session.fit();
  }, [session, preferences]);
}

/** Puts the terminal into its place, fits it when that changes, and takes its shortcuts and pastes. */
function useTerminalPlace(
  session: ShellSession,
  place: RefObject<HTMLDivElement | null>,
  visible: boolean,
  clipboard: ClipboardHandlers,
  run: (command: TerminalCommand) => void,
): void {
  const latest = useRef({ clipboard, run });
  useEffect(() => {
    latest.current = { clipboard, run };
  });
  useEffect(() => {
    const element = place.current;
    if (!element || !visible) return undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let shown = true;
    const observer = new ResizeObserver(() => {
      clearTimeout(timer);
      timer = setTimeout(() => session.fit(), RESIZE_SETTLE_MS);
    });
    void session.attach(element).then(() => {
      if (!shown) return;
      session.view.setVisible(true);
      session.fit();
      session.view.terminal.focus();
      observer.observe(element);
    });
    return () => {
      shown = false;
      clearTimeout(timer);
      observer.disconnect();
      session.view.setVisible(false);
    };
  }, [session, place, visible]);
  useEffect(() => {
    const element = place.current;
    if (!element) return undefined;
    session.view.terminal.attachCustomKeyEventHandler((event) => {
      const command = terminalCommand(event);
      if (!command) return true;
      // The browser's own paste brings the clipboard without asking; everything else is ours alone.
      if (command !== 'paste') {
        event.preventDefault();
        latest.current.run(command);
      }
      return false;
    });
    return guardPaste(element, session.view, {
      send: (text) => latest.current.clipboard.send(text),
      ask: (decision) => latest.current.clipboard.ask(decision),
    });
  }, [session, place]);
}
