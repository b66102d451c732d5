import { useState } from 'react';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Alert, Button, List } from '@mantine/core';
import { erasureReportAnswer, type ShownErasureReport } from '@bascule/protocol/api/reset.ts';
import { StateMark } from '../../shared/Section.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { formatBytes, formatCount, formatInstant } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';
import { saveFile } from '../../shared/save-file.ts';
import { ERASING_HASH } from './erasing-hash.ts';

const REFRESH_MS = 5_000;
const EXPECTED_REFRESH_MS = 1_000;
/** A reset was ordered a moment ago, on this page. */
const isExpected = location.hash === ERASING_HASH;

/** After a reset, until the first login: what was erased. */
export function ErasureNotice() {
  const { t } = useTranslation();
  const api = useApi();
  const { data } = useQuery({
    queryKey: ['erasure-report'],
    queryFn: ({ signal }) => api.get(apiPaths.erasureReport, erasureReportAnswer, {}, signal),
    // Otherwise there is nothing to wait for.
    refetchInterval: (query) => (query.state.data?.report != null ? REFRESH_MS : isExpected && EXPECTED_REFRESH_MS),
  });
  const report = data?.report ?? null;
  // It has been there, and somebody has logged in since.
  const [wasSeen, setSeen] = useState(false);
  if (report !== null && !wasSeen) setSeen(true);
  if (report === null)
    return isExpected && !wasSeen ? (
      <Alert color="yellow" role="status" m="md" maw={900} mx="auto">
        {t('reset:report.waiting')}
      </Alert>
    ) : null;
  return (
    <Alert color={report.leftCount === 0 ? 'green' : 'yellow'} title={t('reset:report.title')} m="md" maw={900} mx="auto">
      <p>{t('reset:report.text', { name: report.applianceName, time: formatInstant(report.endedAtMs) })}</p>
      <Steps report={report} />
      {report.leftCount > 0 && <StateMark tone="warn">{t('reset:report.left', { count: report.leftCount })}</StateMark>}
      {report.elsewhereCount === null && <p>{t('reset:report.elsewhereUnknown')}</p>}
      {report.elsewhereCount !== null && report.elsewhereCount > 0 && (
        <p>{t('reset:report.elsewhere', { count: report.elsewhereCount })}</p>
      )}
      {report.keptBackups && <p>{t('reset:report.keptBackups')}</p>}
      {report.shutDownAfter && <p>{t('reset:report.shutsDown')}</p>}
      <p>{t('reset:report.next')}</p>
      <Button
        variant="default"
        onClick={() => saveFile('bascule-erasure-report.json', 'application/json', JSON.stringify(report, null, 2))}
      >
        {t('reset:report.download')}
      </Button>
    </Alert>
  );
}

function Steps({ report }: { report: ShownErasureReport }) {
  const { t } = useTranslation();
  return (
    <List size="sm" mb="xs">
      {report.steps
        .filter(({ files }) => files > 0)
        .map(({ kind, files, bytes, overwritten }) => (
          <List.Item key={kind}>
            {t(`reset:kind.${kind}`)}: {t('reset:files', { count: files, files: formatCount(files) })}, {formatBytes(bytes)}
            {overwritten && ` – ${t('reset:report.overwritten')}`}
          </List.Item>
        ))}
    </List>
  );
}
