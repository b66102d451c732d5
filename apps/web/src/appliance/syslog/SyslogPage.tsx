import { useState } from 'react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Alert, Button, Group, Skeleton } from '@mantine/core';
import {
  SYSLOG_DESTINATIONS_MAX,
  syslogState,
  syslogTestAnswer,
  type SyslogDestinationChange,
  type SyslogState,
} from '@bascule/protocol/api/syslog.ts';
import { useConfirm } from '../../shared/ConfirmDialog.tsx';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Facts, Section, StateMark } from '../../shared/Section.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { formatBytes, formatCount, formatInstant } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';
import { SyslogDialog } from './SyslogDialog.tsx';
import { withDestination, withoutDestination } from './syslog-change.ts';

const KEY = ['syslog'] as const;
const REFRESH_MS = 3_000;
const TONES = { off: 'off', connecting: 'warn', connected: 'ok', waiting: 'bad' } as const;

type Destination = SyslogState['destinations'][number];

/** Security > Syslog: audit and alarms go to up to three servers. */
export function SyslogPage() {
  const { t } = useTranslation();
  const api = useApi();
  const client = useQueryClient();
  const { ask, dialog } = useConfirm();
  const [edited, setEdited] = useState<Destination | 'new'>();
  const syslog = useQuery({
    queryKey: KEY,
    queryFn: ({ signal }) => api.get(apiPaths.syslog, syslogState, {}, signal),
    refetchInterval: REFRESH_MS,
  });
  if (syslog.data === undefined)
    return syslog.isError ? <QueryFailure query={syslog} /> : <Skeleton height={420} aria-label={t('shared:loading')} />;
  const { destinations, spool } = syslog.data;
  const write = async (list: SyslogDestinationChange[]) => {
    await api.put(apiPaths.syslog, anyAnswer, { destinations: list });
    await client.invalidateQueries({ queryKey: KEY });
  };
  const remove = (destination: Destination) =>
    ask({
      title: t('syslog:remove.title', { host: destination.host }),
      consequences: t('syslog:remove.consequences', { waiting: formatCount(destination.waiting) }),
      confirm: t('syslog:remove.confirm'),
      dangerous: true,
      act: () => write(withoutDestination(destinations, destination.id)),
    });
  return (
    <>
      <Section
        title={t('syslog:title')}
        note={t('syslog:note')}
        actions={
          <Button disabled={destinations.length >= SYSLOG_DESTINATIONS_MAX} onClick={() => setEdited('new')}>
            {t('syslog:add')}
          </Button>
        }
      >
        {destinations.length === 0 ? (
          <p>{t('syslog:none')}</p>
        ) : (
          <Facts
            rows={[
              [t('syslog:spool'), t('syslog:spoolValue', { bytes: formatBytes(spool.bytes), max: formatBytes(spool.maxBytes) })],
            ]}
          />
        )}
      </Section>
      {destinations.map((destination) => (
        <DestinationSection
          key={destination.id}
          destination={destination}
          onEdit={() => setEdited(destination)}
          onRemove={() => remove(destination)}
        />
      ))}
      {edited !== undefined && (
        <SyslogDialog
          destination={edited === 'new' ? undefined : edited}
          place={edited === 'new' ? destinations.length : destinations.indexOf(edited)}
          onSave={(changed) => write(withDestination(destinations, changed))}
          onClose={() => setEdited(undefined)}
        />
      )}
      {dialog}
    </>
  );
}

function DestinationSection({
  destination,
  onEdit,
  onRemove,
}: {
  destination: Destination;
  onEdit: () => void;
  onRemove: () => void;
}) {
  const { t } = useTranslation();
  const api = useApi();
  const test = useMutation({ mutationFn: () => api.post(apiPaths.testSyslog, syslogTestAnswer, { id: destination.id }) });
  const { state, error, sources, sent, waiting, dropped, lastSentAtMs, hasClientKey, caPem } = destination;
  const rows: [string, React.ReactNode][] = [
    [
      t('syslog:state'),
      <StateMark key="state" tone={TONES[state]}>
        {t(`syslog:states.${state}`)}
      </StateMark>,
    ],
    [t('syslog:sources'), sources.map((source) => t(`syslog:source.${source}`)).join(', ')],
    [t('syslog:trusts'), caPem === null ? t('syslog:systemAuthorities') : t('syslog:ownAuthority')],
    [t('syslog:shows'), hasClientKey ? t('syslog:clientCertificate') : t('syslog:noClientCertificate')],
    [t('syslog:sent'), lastSentAtMs === null ? formatCount(sent) : `${formatCount(sent)} – ${formatInstant(lastSentAtMs)}`],
    [t('syslog:waiting'), formatCount(waiting)],
    [
      t('syslog:dropped'),
      <StateMark key="dropped" tone={dropped > 0 ? 'bad' : 'ok'}>
        {formatCount(dropped)}
      </StateMark>,
    ],
  ];
  if (error !== null)
    rows.splice(1, 0, [
      t('syslog:reason'),
      <span key="reason" lang="en">
        {error}
      </span>,
    ]);
  return (
    <Section
      title={`${destination.host}:${destination.port}`}
      actions={
        <Group gap="xs">
          <Button variant="default" loading={test.isPending} onClick={() => test.mutate()}>
            {t('syslog:test')}
          </Button>
          <Button variant="default" onClick={onEdit}>
            {t('syslog:edit')}
          </Button>
          <Button variant="default" color="red" onClick={onRemove}>
            {t('syslog:remove.button')}
          </Button>
        </Group>
      }
    >
      <FormFailure error={test.error} />
      {test.data !== undefined && (
        <Alert color={test.data.ok ? 'green' : 'red'} role="status" py="xs" mb="xs">
          {t(test.data.ok ? 'syslog:testOk' : 'syslog:testFailed')} <span lang="en">{test.data.text}</span>
          {test.data.protocol !== null && ` (${test.data.protocol}, ${test.data.issuedTo ?? '–'})`}
        </Alert>
      )}
      <Facts rows={rows} />
    </Section>
  );
}
