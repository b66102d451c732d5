import { useTranslation } from 'react-i18next';
import { Checkbox } from '@mantine/core';
import { LimitedNumberInput } from '../../shared/LimitedNumberInput.tsx';
import { BANDWIDTH_LIMITS, KIBIBYTE } from './fleet-model.ts';
import classes from './fleet.module.css';

/** What stands in the field when a limit is first wanted: 10 MiB a second. */
const FIRST_LIMIT_BYTES_PER_SECOND = 10 * 1024 * KIBIBYTE;

interface BandwidthFieldProps {
  /** Bytes a second; null for no limit. */
  value: number | null;
  onChange: (value: number | null) => void;
}

/** Maximum bandwidth of all downloads together (B31), in KiB a second. */
export function BandwidthField({ value, onChange }: BandwidthFieldProps) {
  const { t } = useTranslation();
  return (
    <>
      <Checkbox
        label={t('fleet:settings.bandwidthOn')}
        description={t('fleet:settings.bandwidthNote')}
        checked={value !== null}
        onChange={(event) => onChange(event.currentTarget.checked ? FIRST_LIMIT_BYTES_PER_SECOND : null)}
        mb="sm"
      />
      {value !== null && (
        <LimitedNumberInput
          label={t('fleet:settings.maxBytesPerSecond')}
          unit="KiB/s"
          limits={BANDWIDTH_LIMITS}
          value={Math.round(value / KIBIBYTE)}
          onChange={(kibibytes) => onChange(kibibytes * KIBIBYTE)}
          wrapperClass={classes['number']}
        />
      )}
    </>
  );
}
