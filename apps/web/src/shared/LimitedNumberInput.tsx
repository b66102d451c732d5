import { useTranslation } from 'react-i18next';
import { NumberInput } from '@mantine/core';
import { withinLimits, type NumberLimits } from './number-limits.ts';

interface LimitedNumberInputProps {
  label: string;
  /** A sentence before the range. */
  note?: string;
  /** What is counted, shown after the number. */
  unit?: string;
  limits: NumberLimits;
  /** NaN while the field is empty. */
  value: number;
  onChange: (value: number) => void;
  /** What the API says is wrong with it. */
  fault?: string | undefined;
  wrapperClass?: string | undefined;
}

/** A whole number between limits: the range is said, what is outside is marked and left as typed. The form must not send it (`withinLimits`). */
export function LimitedNumberInput({ label, note, unit, limits, value, onChange, fault, wrapperClass }: LimitedNumberInputProps) {
  const { t, i18n } = useTranslation();
  const range = { min: limits.min.toLocaleString(i18n.language), max: limits.max.toLocaleString(i18n.language) };
  return (
    <NumberInput
      label={label}
      description={[note, t('shared:range', range)].filter(Boolean).join(' ')}
      error={withinLimits(value, limits) ? fault : t('shared:rangeWrong', range)}
      suffix={unit === undefined ? '' : ` ${unit}`}
      value={Number.isNaN(value) ? '' : value}
      onChange={(next) => onChange(next === '' ? Number.NaN : Number(next))}
      min={limits.min}
      max={limits.max}
      allowDecimal={false}
      clampBehavior="none"
      mb="sm"
      classNames={{ wrapper: wrapperClass ?? '' }}
    />
  );
}
