import { useEffect, useState } from 'react';
import { Button, CloseButton, Tooltip } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { FAR_SIDE_SILENT_MS, shownPhase } from './shell-phase.ts';
import type { ShellSession, ShellState } from './shell-session.ts';
import type { TerminalCommand } from './terminal-keys.ts';
import { TerminalMenu } from './TerminalMenu.tsx';
import { setTerminalPreferences, useTerminalPreferences } from './use-terminal-preferences.ts';
import classes from './terminal.module.css';

/** On a live link keystrokes are confirmed in a moment; the count is shown only when that takes longer. */
const UNCONFIRMED_SHOWN_AFTER_MS = 1000;
const HINTED_PHASES = ['unconfirmed', 'reconnecting', 'client-away', 'paused', 'replaced'] as const;

interface StatusBarProps {
  session: ShellSession;
  state: ShellState;
  recordsInput: boolean | undefined;
  onCommand: (command: TerminalCommand) => void;
  onEnd: () => void;
}

/** Below the terminal: its state, where it is, that it is recorded, what waits, and what can be done. */
export function StatusBar({ session, state, recordsInput, onCommand, onEnd }: StatusBarProps) {
  const { t } = useTranslation('console');
  const { info } = session;
  return (
    <>
      {state.lost > 0 && (
        <div className={classes['notice']} role="alert">
          {t('lost', { count: state.lost })}
          <CloseButton size="sm" aria-label={t('dismiss')} onClick={() => session.dismissLost()} />
        </div>
      )}
      <footer className={classes['statusBar']}>
        <PhaseMark state={state} />
        <span className={classes['where']} title={`${info.jumpItemName} (${info.hostName})`}>
          {t('bar.where', { user: info.runsAs, host: info.hostName })}
        </span>
        <RecordedMark recordsInput={recordsInput} />
        <Unconfirmed state={state} />
        <Tools session={session} ended={state.phase === 'ended'} onCommand={onCommand} onEnd={onEnd} />
      </footer>
    </>
  );
}

function PhaseMark({ state }: { state: ShellState }) {
  const { t } = useTranslation('console');
  const shown = shownPhase(state.phase, useWaited(state.waitingSinceMs));
  const hinted = HINTED_PHASES.find((phase) => phase === shown);
  const mark = (
    <span className={classes['phase']} data-phase={shown} role="status" tabIndex={hinted ? 0 : undefined}>
      <span className={classes['dot']} aria-hidden="true" />
      {t(`phase.${shown}`)}
    </span>
  );
  return hinted ? (
    <Tooltip label={t(`phaseHint.${hinted}`)} multiline maw={340} events={{ hover: true, focus: true, touch: true }}>
      {mark}
    </Tooltip>
  ) : (
    mark
  );
}

/** How long it is since `sinceMs`; it is looked at when that changes, and once FAR_SIDE_SILENT_MS have passed. */
function useWaited(sinceMs: number | undefined): number | undefined {
  const [, look] = useState(0);
  useEffect(() => {
    if (sinceMs === undefined) return undefined;
    const timer = setTimeout(() => look((count) => count + 1), sinceMs + FAR_SIDE_SILENT_MS - performance.now() + 1);
    return () => clearTimeout(timer);
  }, [sinceMs]);
  return sinceMs === undefined ? undefined : performance.now() - sinceMs;
}

function RecordedMark({ recordsInput }: { recordsInput: boolean | undefined }) {
  const { t } = useTranslation('console');
  if (recordsInput === undefined) return <span className={classes['recorded']}>● {t('bar.recorded')}</span>;
  return (
    <Tooltip
      label={t(recordsInput ? 'bar.inputToo' : 'bar.inputNot')}
      multiline
      maw={340}
      events={{ hover: true, focus: true, touch: true }}
    >
      <span className={classes['recorded']} tabIndex={0}>
        <span aria-hidden="true">●</span> {t('bar.recorded')}
        <span className="b-quiet"> · {t(recordsInput ? 'bar.inputTooShort' : 'bar.inputNotShort')}</span>
      </span>
    </Tooltip>
  );
}

function Unconfirmed({ state }: { state: ShellState }) {
  const { t } = useTranslation('console');
  const waiting = state.unconfirmed > 0 && state.phase !== 'ended';
  const [long, setLong] = useState(false);
  useEffect(() => {
    if (!waiting) return undefined;
    const timer = setTimeout(() => setLong(true), UNCONFIRMED_SHOWN_AFTER_MS);
    return () => {
      clearTimeout(timer);
      setLong(false);
    };
  }, [waiting]);
  if (!waiting || (state.phase === 'live' && !long)) return null;
  return (
    <span className={classes['unconfirmed']} role="status">
      {t('bar.unconfirmed', { count: state.unconfirmed })}
      {state.full && ` · ${t('bar.full')}`}
    </span>
  );
}

function Tools({
  session,
  ended,
  onCommand,
  onEnd,
}: {
  session: ShellSession;
  ended: boolean;
  onCommand: (command: TerminalCommand) => void;
  onEnd: () => void;
}) {
  const { t } = useTranslation('console');
  const preferences = useTerminalPreferences();
  const tool = (label: string, title: string, command: TerminalCommand) => (
    <Button size="compact-xs" variant="subtle" title={title} aria-label={title} onClick={() => onCommand(command)}>
      {label}
    </Button>
  );
  return (
    <span className={classes['tools']}>
      {tool(t('tool.search'), t('menu.search'), 'search')}
      {tool(t('tool.copy'), t('menu.copy'), 'copy')}
      {!ended && tool(t('tool.paste'), t('menu.paste'), 'paste')}
      <TerminalMenu preferences={preferences} onChange={setTerminalPreferences} onClosed={() => session.view.terminal.focus()} />
      {!ended && (
        <Button size="compact-xs" variant="light" color="red" onClick={onEnd}>
          {t('bar.end')}
        </Button>
      )}
    </span>
  );
}
