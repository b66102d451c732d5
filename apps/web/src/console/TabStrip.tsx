import { useSyncExternalStore, type KeyboardEvent, type MouseEvent } from 'react';
import { useTranslation } from 'react-i18next';
import type { ConsoleSessions } from './console-sessions.ts';
import type { ShellSession } from './terminal/shell-session.ts';
import classes from './console.module.css';

interface TabStripProps {
  sessions: ConsoleSessions;
  open: readonly string[];
  active: string | null;
  onClose: (session: string) => void;
}

/** The list of Jump Items and the open sessions, as tabs. Arrow keys go along the strip. */
export function TabStrip({ sessions, open, active, onClose }: TabStripProps) {
  const { t } = useTranslation('console');
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
    event.preventDefault();
    sessions.step(event.key === 'ArrowRight' ? 1 : -1);
  };
  return (
    <div className={classes['strip']} role="tablist" aria-label={t('tabs.label')} onKeyDown={onKeyDown}>
      <button
        type="button"
        id="tab-items"
        role="tab"
        aria-selected={active === null}
        aria-controls="panel-items"
        tabIndex={active === null ? 0 : -1}
        className={classes['tab']}
        title={t('tabs.leaveHint')}
        onClick={() => sessions.activate(null)}
      >
        {t('items.heading')}
      </button>
      {open.map((id) => {
        const session = sessions.get(id);
        return (
          session && (
            <SessionTab
              key={id}
              session={session}
              active={id === active}
              onActivate={() => sessions.activate(id)}
              onClose={() => onClose(id)}
            />
          )
        );
      })}
    </div>
  );
}

function SessionTab({
  session,
  active,
  onActivate,
  onClose,
}: {
  session: ShellSession;
  active: boolean;
  onActivate: () => void;
  onClose: () => void;
}) {
  const { t } = useTranslation('console');
  const phase = useSyncExternalStore(
    (listener) => session.subscribe(listener),
    () => session.state.phase,
  );
  const { id, jumpItemName: name } = session.info;
  const closeByMiddleButton = (event: MouseEvent): void => {
    if (event.button === 1) onClose();
  };
  return (
    <div className={classes['tab']} data-active={active || undefined} role="presentation" onAuxClick={closeByMiddleButton}>
      <button
        type="button"
        id={`tab-${id}`}
        role="tab"
        aria-selected={active}
        aria-controls={`panel-${id}`}
        tabIndex={active ? 0 : -1}
        className={classes['tabTitle']}
        title={`${name} · ${t(`phase.${phase}`)}`}
        onClick={onActivate}
      >
        <span className={classes['tabDot']} data-phase={phase} aria-hidden="true" />
        <span className={classes['tabName']}>{name}</span>
        {phase !== 'live' && <span className={classes['tabPhase']}>{t(`phase.${phase}`)}</span>}
      </button>
      <button type="button" className={classes['tabClose']} aria-label={t('tabs.close', { name })} onClick={onClose}>
        ×
      </button>
    </div>
  );
}
