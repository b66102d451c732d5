import { useTranslation } from 'react-i18next';
import type { JumpItem } from '@bascule/protocol/api/jump.ts';
import { StateMark } from '../../shared/Section.tsx';

const TONES = {
  current: 'ok',
  pending: 'warn',
  'waiting-for-session': 'warn',
  downloading: 'warn',
  restarting: 'warn',
  failed: 'bad',
  'rolled-back': 'bad',
  unsupported: 'off',
  ahead: 'warn',
} as const;

/** How far the client's upgrade is (B108), with its place in the queue. */
export function UpgradeMark({ item }: { item: JumpItem }) {
  const { t } = useTranslation();
  const state = t(`login:jump.upgrades.${item.upgrade}`);
  return (
    <StateMark tone={TONES[item.upgrade]}>
      {item.upgradePlace === null ? state : t('login:jump.upgradePlace', { state, place: item.upgradePlace })}
    </StateMark>
  );
}
