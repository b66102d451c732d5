import { useTranslation } from 'react-i18next';
import { Modal, Stack } from '@mantine/core';
import type { BackupRecord } from '@bascule/protocol/api/backup.ts';
import { CopyField } from '../../shared/CopyField.tsx';
import { Facts } from '../../shared/Section.tsx';
import { formatBytes, formatCount, formatDuration, formatInstant } from '../../shared/format.ts';
import { problemText } from '../installers/problem-text.ts';
import classes from './software.module.css';

/** All that is known of one backup: its parts, what is not in it and why, its hash. */
export function BackupDialog({ record, onClose }: { record: BackupRecord; onClose: () => void }) {
  const { t } = useTranslation();
  const rows: [string, string][] = [
    [t('backup:list.made'), formatInstant(record.madeAtMs)],
    [t('backup:list.from'), `${record.appliance} · ${record.siteVersion}`],
    [t('backup:list.where'), record.destination === 'here' ? t('backup:destination.here') : record.destinationName],
    [t('backup:list.size'), record.bytes === null ? '–' : formatBytes(record.bytes)],
    [t('backup:list.password'), t(record.isEncrypted ? 'shared:yes' : 'shared:no')],
    [t('backup:list.checked'), checkedText()],
  ];
  if (record.problem !== null) rows.push([t('backup:list.problem'), problemText(record.problem)]);
  return (
    <Modal
      opened
      onClose={onClose}
      size="lg"
      title={t('backup:details.title', { file: record.fileName })}
      closeButtonProps={{ 'aria-label': t('shared:close') }}
    >
      <Stack gap="sm">
        <Facts rows={rows} />
        <div className={classes['dialogPart']}>
          <h3>{t('backup:details.inside')}</h3>
          <ul className={classes['include']}>
            {record.parts.map(({ part, members, bytes }) => (
              <li key={part}>
                <span>
                  {t(`backup:part.${part}`)}{' '}
                  <span className="b-quiet">{t('backup:include.count', { count: members, number: formatCount(members) })}</span>
                </span>
                <span className={classes['size']}>{formatBytes(bytes)}</span>
              </li>
            ))}
          </ul>
          {record.leftOut.length > 0 && <h3>{t('backup:details.leftOut')}</h3>}
          <ul className={classes['leftOut']}>
            {record.leftOut.map(({ what, why, detail }) => (
              <li key={`${what} ${why}`}>
                {t(`backup:leftOut.${what}`)}: {t(`backup:why.${why}`)} {detail}
              </li>
            ))}
          </ul>
        </div>
        {record.sha256 !== null && <CopyField label="SHA-256" value={record.sha256} />}
      </Stack>
    </Modal>
  );

  function checkedText(): string {
    if (record.checkedAtMs === null) return t('shared:never');
    const at = formatInstant(record.checkedAtMs);
    return record.checkMs === null ? at : t('backup:details.checked', { at, time: formatDuration(record.checkMs) });
  }
}
