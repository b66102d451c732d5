import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { Checkbox, Fieldset } from '@mantine/core';
import type { BackupInclude } from '@bascule/protocol/api/backup.ts';
import { formatBytes, formatCount } from '../../shared/format.ts';
import { loginPaths } from '../login-paths.ts';
import { bytesOf, INCLUDE_PARTS, mayNotFit, totalBytes, withPart, type BackupSizes, type IncludePart } from './software-model.ts';
import classes from './software.module.css';

interface IncludeFieldsProps {
  include: BackupInclude;
  onChange: (include: BackupInclude) => void;
  /** Undefined until they have been counted. */
  sizes: BackupSizes | undefined;
  /** Whether it goes to this appliance's disk. */
  isHere: boolean;
}

/** What a backup holds (B185-B187): each checkbox with its size, the sum, and what is never in it (B188). */
export function IncludeFields({ include, onChange, sizes, isHere }: IncludeFieldsProps) {
  const { t } = useTranslation();
  return (
    <Fieldset legend={t('backup:include.title')}>
      <ul className={classes['include']}>
        <li>
          <Checkbox
            label={t('backup:include.configuration')}
            description={t('backup:include.configurationNote')}
            checked
            disabled
            readOnly
          />
          <Size bytes={sizes?.configuration} />
        </li>
        {INCLUDE_PARTS.map((part) => (
          <li key={part}>
            <Checkbox
              label={t(`backup:include.${part}`)}
              description={noteOf(part)}
              checked={include[part]}
              disabled={part === 'recordings' && !include.history}
              onChange={(event) => onChange(withPart(include, part, event.currentTarget.checked))}
            />
            <Size bytes={sizes === undefined ? undefined : bytesOf(sizes, part)} />
          </li>
        ))}
        <li className={classes['total']}>
          <span>{t('backup:include.total')}</span>
          <Size bytes={sizes === undefined ? undefined : totalBytes(sizes, include)} />
        </li>
      </ul>
      <p className={classes['fieldNote']}>
        {t('backup:include.compressed')}{' '}
        {isHere &&
          sizes !== undefined &&
          t('backup:include.free', { free: formatBytes(sizes.freeBytes), reserved: formatBytes(sizes.reservedBytes) })}
      </p>
      {isHere && sizes !== undefined && mayNotFit(sizes, include) && (
        <p className={classes['warning']} role="status">
          {t('backup:include.mayNotFit')}
        </p>
      )}
      <p className={classes['fieldNote']}>
        {t('backup:include.never')} <Link to={loginPaths.vaultKey}>{t('backup:include.toVaultKey')}</Link>
      </p>
    </Fieldset>
  );

  function noteOf(part: IncludePart): string {
    const counted = part === 'files' || part === 'recordings' ? sizes?.[part].count : undefined;
    const note = part === 'recordings' && !include.history ? 'recordingsNeedHistory' : `${part}Note`;
    const count = counted === undefined ? '' : ` ${t('backup:include.count', { count: counted, number: formatCount(counted) })}`;
    return `${t(`backup:include.${note}`)}${count}`;
  }
}

/** As wide before it is known as afterwards; null: the box did not answer. */
function Size({ bytes }: { bytes: number | null | undefined }) {
  const { t } = useTranslation();
  if (bytes === undefined) return <span className={classes['size']}>…</span>;
  return <span className={classes['size']}>{bytes === null ? t('backup:include.unknown') : formatBytes(bytes)}</span>;
}
