import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import type { z } from 'zod';
import type { download } from '@bascule/protocol/api/installers.ts';
import { DataTable, type Column } from '../../shared/DataTable.tsx';
import { StateMark } from '../../shared/Section.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { formatBytes } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';
import { problemText } from './problem-text.ts';
import classes from './installers.module.css';

export type Download = z.infer<typeof download>;
const TONES = { current: 'ok', next: 'warn', earlier: 'off' } as const;

/** Software to download: what it is, for what, how old and how large, or why it cannot be had. */
export function DownloadsTable({ label, downloads }: { label: string; downloads: Download[] | undefined }) {
  const { t } = useTranslation();
  const api = useApi();
  const columns = useMemo<Column<Download>[]>(
    () => [
      {
        key: 'program',
        header: t('installers:program'),
        cell: (file) => <span style={{ fontWeight: 550 }}>{t(`shared:program.${file.program}`)}</span>,
        sortBy: (file) => file.program,
      },
      {
        key: 'version',
        header: t('installers:version'),
        cell: (file) => <span className="b-mono">{file.version}</span>,
        sortBy: (file) => file.version,
      },
      {
        key: 'age',
        header: t('installers:age'),
        cell: (file) => <StateMark tone={TONES[file.age]}>{t(`installers:ages.${file.age}`)}</StateMark>,
        sortBy: (file) => file.age,
      },
      {
        key: 'platform',
        header: t('installers:platform'),
        cell: (file) => t(`installers:platforms.${file.platform}`),
        sortBy: (file) => file.platform,
      },
      {
        key: 'format',
        header: t('installers:format'),
        cell: (file) => <span className="b-mono">{file.format}</span>,
        sortBy: (file) => file.format,
      },
      {
        key: 'size',
        header: t('installers:size'),
        cell: (file) => <Size file={file} />,
        sortBy: (file) => file.bytes ?? 0,
        align: 'right',
      },
      {
        key: 'file',
        header: t('installers:file'),
        wrap: true,
        cell: (file) =>
          file.problem === null ? (
            <a href={api.url(apiPaths.download(file.name))} download={file.name}>
              {file.name}
            </a>
          ) : (
            <StateMark tone="warn">{problemText(file.problem)}</StateMark>
          ),
      },
    ],
    [t, api],
  );
  return (
    <DataTable
      label={label}
      rows={downloads}
      rowKey={(file) => file.name}
      columns={columns}
      empty={t('installers:noDownloads')}
    />
  );
}

function Size({ file }: { file: Download }) {
  const { t } = useTranslation();
  if (file.bytes !== null) return <>{formatBytes(file.bytes)}</>;
  return <span className={`b-quiet ${classes['sizeLater']}`}>{file.problem === null ? t('installers:sizeLater') : '–'}</span>;
}
