import { useTranslation } from 'react-i18next';
import { Checkbox, Fieldset } from '@mantine/core';
import { LimitedNumberInput } from '../../shared/LimitedNumberInput.tsx';
import type { NumberLimits } from '../../shared/number-limits.ts';
import type { BackupSchedule } from './software-model.ts';
import classes from './software.module.css';

type Retention = BackupSchedule['retention'];
/** The limits of the schema `backupRetention`, and what a limit begins with. */
const LIMITS: Record<keyof Retention, NumberLimits & { first: number }> = {
  count: { min: 1, max: 1000, first: 14 },
  days: { min: 1, max: 3650, first: 90 },
};
const KINDS = ['count', 'days'] as const;

/** How many backups of the schedule are kept, and how long; the last restorable one always is. */
export function RetentionFields({ retention, onChange }: { retention: Retention; onChange: (retention: Retention) => void }) {
  const { t } = useTranslation();
  return (
    <Fieldset legend={t('backup:retention.title')}>
      {KINDS.map((kind) => {
        const value = retention[kind];
        return (
          <div key={kind} className={classes['limit']}>
            <Checkbox
              label={t(`backup:retention.${kind}On`)}
              checked={value !== null}
              onChange={(event) => onChange({ ...retention, [kind]: event.currentTarget.checked ? LIMITS[kind].first : null })}
            />
            {value !== null && (
              <LimitedNumberInput
                label={t(`backup:retention.${kind}`)}
                limits={LIMITS[kind]}
                value={value}
                onChange={(next) => onChange({ ...retention, [kind]: next })}
                wrapperClass={classes['number']}
              />
            )}
          </div>
        );
      })}
      <p className={classes['fieldNote']}>
        {retention.count === null && retention.days === null ? t('backup:retention.all') : t('backup:retention.note')}
      </p>
    </Fieldset>
  );
}
