import { Anchor, Button } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { pagePaths } from '../../shared/paths.ts';
import type { ShellFacts } from './shell-phase.ts';
import type { ShellSession } from './shell-session.ts';
import classes from './terminal.module.css';

interface EndedBarProps {
  session: ShellSession;
  ended: NonNullable<ShellFacts['ended']>;
  onJumpAgain: () => void;
  onClose: () => void;
}

/** Why the session is over, in plain words, and where to go from here. The terminal above stays readable. */
export function EndedBar({ session, ended, onJumpAgain, onClose }: EndedBarProps) {
  const { t } = useTranslation('console');
  const exit =
    ended.exitCode === null ? '' : ended.exitCode < 0 ? t('ended.killed') : t('ended.exitCode', { code: ended.exitCode });
  return (
    <div className={classes['ended']} role="alert">
      <strong>{t('ended.heading')}</strong>
      <span>{t(`reason.${ended.reason ?? 'unknown'}`)}</span>
      {exit !== '' && <span className="b-quiet">{exit}</span>}
      <span className={classes['endedActions']}>
        <Anchor size="sm" href={pagePaths.accessSessionReport(session.info.id)} target="_blank" rel="noopener">
          {t('ended.recording')}
        </Anchor>
        <Button size="compact-sm" variant="default" onClick={onClose}>
          {t('ended.close')}
        </Button>
        <Button size="compact-sm" onClick={onJumpAgain}>
          {t('ended.again')}
        </Button>
      </span>
    </div>
  );
}
