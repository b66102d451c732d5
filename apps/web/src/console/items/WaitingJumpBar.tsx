import { Button, Loader } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { JumpItem } from '@bascule/protocol/api/jump.ts';
import { formatMinute } from '../../shared/format.ts';
import type { WaitingJump } from './waiting-jump.ts';
import classes from './items.module.css';

/** Says what a jump waits for; it goes on by itself. `known`: the item as it is now. */
export function WaitingJumpBar({
  waiting,
  known,
  onCancel,
}: {
  waiting: WaitingJump;
  known: JumpItem | undefined;
  onCancel: () => void;
}) {
  const { t } = useTranslation('console');
  const { name } = waiting.item;
  const nextMs = known?.nextCheckInMs ?? null;
  const place = known === undefined ? waiting.place : known.upgradePlace;
  const text =
    waiting.reason === 'upgrade'
      ? place !== null && (known === undefined || known.upgrade === 'pending')
        ? t('waiting.place', { name, place })
        : t('waiting.upgrade', { name, state: t(`upgrade.${known?.upgrade ?? 'pending'}`) })
      : nextMs === null
        ? t('waiting.checkIn', { name })
        : t('waiting.checkInBy', { name, time: formatMinute(nextMs) });
  return (
    <section className={classes['waiting']} role="status" aria-label={t('waiting.label')}>
      <Loader size="xs" />
      <span>{text}</span>
      <span className="b-quiet">{t('waiting.byItself')}</span>
      <Button size="compact-sm" variant="default" onClick={onCancel}>
        {t('waiting.cancel')}
      </Button>
    </section>
  );
}
