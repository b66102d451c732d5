import { useTranslation } from 'react-i18next';
import type { JumpItem } from '@bascule/protocol/api/jump.ts';
import { StateMark } from '../../shared/Section.tsx';
import { formatInstant, formatMinute } from '../../shared/format.ts';

/** Online, or when it was last seen; of a passive client, when it last checked in (B107). */
export function PresenceMark({ item }: { item: JumpItem }) {
  const { t } = useTranslation();
  if (item.online) return <StateMark tone="ok">{t('login:jump.online')}</StateMark>;
  if (item.sinceMs === null) return <StateMark tone="off">{t('login:jump.neverSeen')}</StateMark>;
  const time = formatMinute(item.sinceMs);
  return (
    <span title={formatInstant(item.sinceMs)}>
      <StateMark tone="off">
        {item.mode === 'passive' ? t('login:jump.lastCheckIn', { time }) : t('login:jump.offlineSince', { time })}
      </StateMark>
    </span>
  );
}
