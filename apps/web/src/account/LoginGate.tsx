import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Skeleton } from '@mantine/core';
import { PageHeader } from '../shared/PageHeader.tsx';
import { QueryFailure } from '../shared/QueryFailure.tsx';
import { LoggedInContext, useMe } from '../shared/login-state.ts';
import { LoginSteps } from './LoginSteps.tsx';

/** Shows `children` to whoever is logged in completely; everybody else gets the step of the login that is due. */
export function LoginGate({ interfaceName, children }: { interfaceName: string; children: ReactNode }) {
  const { t } = useTranslation();
  const me = useMe();
  if (me.data?.state === 'ok') return <LoggedInContext value={me.data}>{children}</LoggedInContext>;
  return (
    <>
      <PageHeader interfaceName={interfaceName} />
      <main className="b-page">
        {me.isPending && <Skeleton height={260} maw={360} mx="auto" mt="10vh" aria-label={t('shared:loading')} />}
        {me.isError && <QueryFailure query={me} />}
        {me.data !== undefined && <LoginSteps me={me.data} />}
      </main>
    </>
  );
}
