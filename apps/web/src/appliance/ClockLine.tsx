import { useTranslation } from 'react-i18next';
import type { ClockState } from '@bascule/protocol/api/updates.ts';
import { StateMark } from '../shared/Section.tsx';
import { formatInstantWithZone } from '../shared/format.ts';
import { signedOffset, type Tone } from './updates/updates-model.ts';
import { useTickingNow } from './updates/use-ticking-now.ts';

export const CLOCK_TONES: Record<ClockState['state'], Tone> = {
  synchronised: 'ok',
  off: 'bad',
  unreachable: 'warn',
  unchecked: 'off',
  behind: 'bad',
  'switched-off': 'off',
};

/** The appliance's clock, ticking, and how sure that is: what signatures and keys depend on (B6, B78, B80). */
export function ClockLine({ clock }: { clock: ClockState }) {
  const { t, i18n } = useTranslation();
  const systemMs = useTickingNow(clock.systemMs);
  return (
    <>
      <span className="b-mono">{formatInstantWithZone(systemMs)}</span>{' '}
      <StateMark tone={CLOCK_TONES[clock.state]}>
        {t(`appliance:clock.state.${clock.state}`, {
          server: clock.server ?? t('appliance:clock.someServer'),
          offset: clock.offsetMs === null ? '' : signedOffset(clock.offsetMs, i18n.language),
        })}
      </StateMark>
    </>
  );
}
