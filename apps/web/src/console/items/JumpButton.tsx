import { Button, Tooltip } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { JumpItem } from '@bascule/protocol/api/jump.ts';
import { jumpObstacle } from './items-model.ts';

interface JumpButtonProps {
  item: JumpItem;
  opening: boolean;
  onJump: (item: JumpItem) => void;
  /** In a row: small, and left out of the tab order, because Enter on the row does the same. */
  compact?: boolean;
}

/** Opens a session, or says why that cannot be. It stays focusable when it cannot, so that the reason can be read. */
export function JumpButton({ item, opening, onJump, compact = false }: JumpButtonProps) {
  const { t } = useTranslation('console');
  const obstacle = jumpObstacle(item);
  const button = (
    <Button
      size={compact ? 'compact-xs' : 'xs'}
      fullWidth={!compact}
      variant={compact ? 'light' : 'filled'}
      tabIndex={compact ? -1 : 0}
      loading={opening}
      aria-label={compact ? t('jumpTo', { name: item.name }) : undefined}
      data-disabled={obstacle ? true : undefined}
      aria-disabled={obstacle ? true : undefined}
      onClick={(event) => {
        event.stopPropagation();
        if (!obstacle && !opening) onJump(item);
      }}
      onDoubleClick={(event) => event.stopPropagation()}
    >
      {t('jump')}
    </Button>
  );
  return obstacle ? (
    <Tooltip
      label={t(`obstacle.${obstacle}`)}
      multiline
      maw={280}
      openDelay={0}
      events={{ hover: true, focus: true, touch: true }}
    >
      {button}
    </Tooltip>
  ) : (
    button
  );
}
