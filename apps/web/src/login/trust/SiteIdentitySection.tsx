import { useMemo, useState } from 'react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Alert, Button, Skeleton, Text } from '@mantine/core';
import type { z } from 'zod';
import type { identityState } from '@bascule/protocol/api/fleet.ts';
import { DataTable, type Column } from '../../shared/DataTable.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Facts, Section, StateMark } from '../../shared/Section.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { formatCount, formatInstant } from '../../shared/format.ts';
import { notifyDone, notifyFailure } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { RotateDialog } from './RotateDialog.tsx';
import { grouped } from './trust-model.ts';
import { useSiteIdentity } from './trust-queries.ts';
import classes from './trust.module.css';

type IdentityState = z.infer<typeof identityState>;
type Former = IdentityState['former'][number];
const SKELETON_HEIGHT_PX = 160;

/** The identity that clients know the site by, apart from the web certificate; and its rotation. */
export function SiteIdentitySection() {
  const { t } = useTranslation();
  const identity = useSiteIdentity();
  const client = useQueryClient();
  const [isRotating, setRotating] = useState(false);
  const rotate = (
    <Button variant="default" disabled={identity.data === undefined} onClick={() => setRotating(true)}>
      {t('trust:identity.rotate')} …
    </Button>
  );
  return (
    <Section title={t('trust:identity.title')} note={t('trust:identity.note')} actions={rotate}>
      {identity.data !== undefined && <Identity identity={identity.data} />}
      {identity.data === undefined &&
        (identity.isError ? (
          <QueryFailure query={identity} />
        ) : (
          <Skeleton height={SKELETON_HEIGHT_PX} aria-label={t('shared:loading')} />
        ))}
      {isRotating && (
        <RotateDialog
          onRotated={() => void client.invalidateQueries({ queryKey: ['fleet'] })}
          onClose={() => setRotating(false)}
        />
      )}
    </Section>
  );
}

function Identity({ identity }: { identity: IdentityState }) {
  const { t } = useTranslation();
  const { restored, behind, former } = identity;
  return (
    <>
      {restored !== null && <RestoredWarning restored={restored} />}
      <Facts
        rows={[
          [
            t('trust:identity.fingerprint'),
            <span key="fingerprint" className={classes['fingerprint']}>
              {grouped(identity.fingerprintSha256)}
            </span>,
          ],
          [t('trust:identity.since'), formatInstant(identity.sinceMs)],
          [t('trust:identity.expires'), formatInstant(identity.expiresAtMs)],
          [
            t('trust:identity.behind'),
            <StateMark key="behind" tone={behind === 0 ? 'ok' : 'warn'}>
              {behind === 0
                ? t('trust:identity.behindNone')
                : t('trust:identity.behindCount', { count: behind, number: formatCount(behind) })}
            </StateMark>,
          ],
        ]}
      />
      {former.length > 0 && <FormerIdentities former={former} />}
    </>
  );
}

/** The database is older than what clients bear: revocations may be missing. Stays until somebody says that the list was looked at. */
function RestoredWarning({ restored }: { restored: NonNullable<IdentityState['restored']> }) {
  const { t } = useTranslation();
  const api = useApi();
  const client = useQueryClient();
  const dismiss = useMutation({
    mutationFn: async () => {
      await api.post(apiPaths.dismissRestored, anyAnswer);
      await client.invalidateQueries({ queryKey: ['fleet', 'identity'] });
    },
    onSuccess: () => notifyDone(t('trust:restored.dismissed')),
    onError: notifyFailure,
  });
  const values = { count: restored.clients, number: formatCount(restored.clients), since: formatInstant(restored.sinceMs) };
  return (
    <Alert color="yellow" role="alert" mb="sm" title={t('trust:restored.title')}>
      <Text mb="xs">{t('trust:restored.text', values)}</Text>
      <Button variant="default" loading={dismiss.isPending} onClick={() => dismiss.mutate()}>
        {t('trust:restored.dismiss')}
      </Button>
    </Alert>
  );
}

function FormerIdentities({ former }: { former: Former[] }) {
  const { t } = useTranslation();
  const columns = useMemo<Column<Former>[]>(
    () => [
      {
        key: 'fingerprint',
        header: t('trust:identity.fingerprint'),
        cell: (one) => <span className="b-mono">{grouped(one.fingerprintSha256)}</span>,
        wrap: true,
      },
      {
        key: 'since',
        header: t('trust:identity.since'),
        cell: (one) => <span className="b-mono">{formatInstant(one.sinceMs)}</span>,
        sortBy: (one) => one.sinceMs,
      },
      {
        key: 'ended',
        header: t('trust:identity.ended'),
        cell: (one) => <span className="b-mono">{formatInstant(one.endedAtMs)}</span>,
        sortBy: (one) => one.endedAtMs,
      },
    ],
    [t],
  );
  return (
    <div className={classes['former']}>
      <h3>{t('trust:identity.former')}</h3>
      <DataTable
        label={t('trust:identity.former')}
        rows={former}
        rowKey={(one) => one.fingerprintSha256}
        columns={columns}
        initialSort={[{ id: 'ended', desc: true }]}
        empty=""
      />
    </div>
  );
}
