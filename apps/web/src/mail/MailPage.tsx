import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Skeleton } from '@mantine/core';
import { mailState } from '@bascule/protocol/api/updates.ts';
import { QueryFailure } from '../shared/QueryFailure.tsx';
import { Section } from '../shared/Section.tsx';
import { useApi } from '../shared/api-context.tsx';
import { MailDelivery } from './MailDelivery.tsx';
import { MailForm } from './MailForm.tsx';
import { mailPath, type MailOwner } from './mail-owner.ts';

const REFRESH_MS = 10_000;
const SKELETON_HEIGHT_PX = 560;

/** Support > E-mail of the appliance and Management > E-mail Configuration of the site. */
export function MailPage({ owner }: { owner: MailOwner }) {
  const { t } = useTranslation();
  const api = useApi();
  const mail = useQuery({
    queryKey: ['mail', owner],
    queryFn: ({ signal }) => api.get(mailPath(owner), mailState, {}, signal),
    refetchInterval: REFRESH_MS,
  });
  return (
    <Section title={t(`mail:title.${owner}`)} note={t(`mail:note.${owner}`)}>
      {mail.isError && mail.data === undefined && <QueryFailure query={mail} />}
      {mail.isPending && <Skeleton height={SKELETON_HEIGHT_PX} maw={720} aria-label={t('shared:loading')} />}
      {mail.data !== undefined && (
        <>
          <MailDelivery state={mail.data} />
          <MailForm owner={owner} saved={mail.data.settings} />
        </>
      )}
    </Section>
  );
}
