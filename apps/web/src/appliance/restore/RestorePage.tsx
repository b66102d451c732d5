import { useTranslation } from 'react-i18next';
import { Alert, Skeleton } from '@mantine/core';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { ChooseSection } from './ChooseSection.tsx';
import { EndedSection } from './EndedSection.tsx';
import { PreviewSection } from './PreviewSection.tsx';
import { remarkText } from './remark-text.ts';
import { useRestore } from './restore-queries.ts';
import { RunningSection } from './RunningSection.tsx';

const SKELETON_HEIGHT_PX = 420;

/** Support > Restore (B192, B194, B204): a backup takes the place of the site, or what was before is put back. It works while the site does not. */
export function RestorePage() {
  const { t } = useTranslation();
  const query = useRestore();
  if (query.data === undefined)
    return query.isError ? (
      <QueryFailure query={query} />
    ) : (
      <Skeleton height={SKELETON_HEIGHT_PX} aria-label={t('shared:loading')} />
    );
  const { running, last, inspection, blocked } = query.data;
  if (running !== null) return <RunningSection restoration={running} />;
  return (
    <>
      {last !== null && <EndedSection restoration={last} applianceName={query.data.applianceName} />}
      {blocked.map((remark) => (
        <Alert key={remark.code} color="yellow" role="status" mb="md">
          {remarkText(remark)}
        </Alert>
      ))}
      <ChooseSection state={query.data} />
      {inspection?.state === 'done' && inspection.preview !== null && (
        <PreviewSection key={inspection.upload} inspection={inspection} preview={inspection.preview} state={query.data} />
      )}
    </>
  );
}
