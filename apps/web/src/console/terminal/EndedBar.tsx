import { Anchor, Button, Tooltip } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { pagePaths } from '../../shared/paths.ts';
import { jumpObstacle } from '../items/items-model.ts';
import { useJumpItem } from '../items/use-item-pages.ts';
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
        <JumpAgain itemId={session.info.jumpItemId} onJumpAgain={onJumpAgain} />
      </span>
    </div>
  );
}

/** Opens a new session on the same item, or says why that cannot be; focusable all the same, so that the reason can be read. */
function JumpAgain({ itemId, onJumpAgain }: { itemId: string; onJumpAgain: () => void }) {
  const { t } = useTranslation('console');
  const { item, isGone } = useJumpItem(itemId);
  const obstacle = isGone ? 'gone' : item && jumpObstacle(item);
  const button = (
    <Button
      size="compact-sm"
      data-disabled={obstacle ? true : undefined}
      aria-disabled={obstacle ? true : undefined}
      onClick={() => {
        if (!obstacle) onJumpAgain();
      }}
    >
      {t('ended.again')}
    </Button>
  );
  if (!obstacle) return button;
  return (
    <Tooltip label={t(`obstacle.${obstacle}`)} multiline maw={280} events={{ hover: true, focus: true, touch: true }}>
      {button}
    </Tooltip>
  );
}
