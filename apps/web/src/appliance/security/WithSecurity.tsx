import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Skeleton } from '@mantine/core';
import type { BoxSecurity } from '@bascule/protocol/api/security.ts';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { useSecurity } from './security-queries.ts';

const SKELETON_HEIGHT_PX = 420;

/** What shows a part of Security: when it is known. */
export function WithSecurity({ children }: { children: (security: BoxSecurity) => ReactNode }) {
  const { t } = useTranslation();
  const security = useSecurity();
  if (security.data !== undefined) return children(security.data);
  return security.isError ? (
    <QueryFailure query={security} />
  ) : (
    <Skeleton height={SKELETON_HEIGHT_PX} aria-label={t('shared:loading')} />
  );
}
