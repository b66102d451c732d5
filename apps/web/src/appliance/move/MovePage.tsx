import { useTranslation } from 'react-i18next';
import { Alert, Anchor, Skeleton } from '@mantine/core';
import type { MoveOverview } from '@bascule/protocol/api/move.ts';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { formatMinute } from '../../shared/format.ts';
import { BeginSection } from './BeginSection.tsx';
import { CodeSection } from './CodeSection.tsx';
import { MoveSection } from './MoveSection.tsx';
import { useMove } from './move-queries.ts';

const SKELETON_HEIGHT_PX = 420;

/** Support > Move hardware (B203-B206): the code of the old box, and the plan on the new one. */
export function MovePage() {
  const { t } = useTranslation();
  const query = useMove();
  if (query.data === undefined)
    return query.isError ? (
      <QueryFailure query={query} />
    ) : (
      <Skeleton height={SKELETON_HEIGHT_PX} aria-label={t('shared:loading')} />
    );
  const { move, moved } = query.data;
  const isUnderWay = move !== null && (move.state === 'running' || move.state === 'waiting');
  return (
    <>
      {moved !== null && <MovedNotice moved={moved} />}
      {move !== null && <MoveSection move={move} />}
      {!isUnderWay && moved === null && <BeginSection addresses={query.data.addresses} />}
      {!isUnderWay && moved === null && <CodeSection code={query.data.code} />}
    </>
  );
}

function MovedNotice({ moved }: { moved: NonNullable<MoveOverview['moved']> }) {
  const { t } = useTranslation();
  return (
    <Alert role="status" title={t('move:moved.title', { name: moved.appliance, at: formatMinute(moved.atMs) })} mb="md">
      <p>{t('move:moved.text')}</p>
      <p>
        <Anchor href={moved.url} underline="always">
          {moved.url}
        </Anchor>
      </p>
    </Alert>
  );
}
