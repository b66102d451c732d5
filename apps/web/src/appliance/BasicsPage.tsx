import { useMemo } from 'react';
import { useQuery } from '@tanstack/react-query';
import type { TFunction } from 'i18next';
import { useTranslation } from 'react-i18next';
import { Alert, Skeleton } from '@mantine/core';
import { basics as basicsSchema, type Basics } from '@bascule/protocol/api/appliance.ts';
import { DataTable, type Column } from '../shared/DataTable.tsx';
import { QueryFailure } from '../shared/QueryFailure.tsx';
import { Facts, Section, StateMark } from '../shared/Section.tsx';
import { useApi } from '../shared/api-context.tsx';
import { formatBytes, formatDuration, formatInstant } from '../shared/format.ts';
import { apiPaths } from '../shared/paths.ts';
import { WarningList } from './certificates/WarningList.tsx';
import { certificateTone, diskTone } from './basics-tones.ts';
import { PowerActions } from './reset/PowerActions.tsx';

const REFRESH_MS = 5_000;

/** Status > Basics (B6, B7): time, versions, uptime, disk, processes, certificate, in one view that a screenshot shows whole. */
export function BasicsPage() {
  const { t } = useTranslation();
  const api = useApi();
  const basics = useQuery({
    queryKey: ['basics'],
    queryFn: ({ signal }) => api.get(apiPaths.basics, basicsSchema, {}, signal),
    refetchInterval: REFRESH_MS,
  });
  if (basics.isError && basics.data === undefined) return <QueryFailure query={basics} />;
  if (basics.data === undefined) return <Skeleton height={640} aria-label={t('shared:loading')} />;
  return (
    <>
      <BasicsSection basics={basics.data} />
      <PackagesSection packages={basics.data.packages} />
      <ProcessesSection basics={basics.data} />
      <CertificateSection basics={basics.data} />
    </>
  );
}

function BasicsSection({ basics }: { basics: Basics }) {
  const { t } = useTranslation();
  const { disk } = basics;
  return (
    <Section title={t('appliance:basics.title')} actions={<PowerActions />}>
      <Facts
        rows={[
          [t('appliance:basics.name'), basics.applianceName],
          [t('appliance:basics.baseVersion'), <strong key="version">{basics.baseVersion}</strong>],
          [t('appliance:basics.time'), `${applianceTime(basics)} (${basics.timeZone})`],
          [
            t('appliance:basics.site'),
            <StateMark key="site" tone={basics.siteReady ? 'ok' : 'bad'}>
              {basics.siteReady ? t('appliance:basics.siteReady') : t('appliance:basics.siteAway')}
            </StateMark>,
          ],
          ...pairRows(basics.pair, t),
          [t('appliance:basics.hostUptime'), formatDuration(basics.hostUptimeSeconds * 1000)],
          [t('appliance:basics.applianceUptime'), formatDuration(basics.applianceUptimeSeconds * 1000)],
          [
            t('appliance:basics.disk'),
            <StateMark key="disk" tone={diskTone(disk)}>
              {t('appliance:basics.diskFree', {
                free: formatBytes(disk.freeBytes),
                total: formatBytes(disk.totalBytes),
                path: disk.path,
              })}
            </StateMark>,
          ],
          [
            t('appliance:basics.addresses'),
            <span key="addresses" className="b-mono">
              {basics.addresses.join(', ')}
            </span>,
          ],
        ]}
      />
    </Section>
  );
}

/** Role, peer and how far the backup is behind; nothing for an appliance by itself. */
function pairRows(pair: Basics['pair'], t: TFunction): [string, React.ReactNode][] {
  if (pair === null || pair.role === 'single') return [];
  const rows: [string, React.ReactNode][] = [[t('network:basics.role'), t(`shared:pair.role.${pair.role}`)]];
  if (pair.peer !== null)
    rows.push([
      t('network:basics.peer'),
      <StateMark key="peer" tone={pair.peer.state === 'reachable' ? 'ok' : 'bad'}>
        {t(`shared:pair.peer.${pair.peer.state}`, { name: pair.peer.name })}
      </StateMark>,
    ]);
  if (pair.lagChanges !== null && pair.lagSeconds !== null)
    rows.push([
      t('network:basics.lag'),
      t('network:basics.lagValue', { changes: pair.lagChanges, seconds: Math.round(pair.lagSeconds) }),
    ]);
  return rows;
}

/** The appliance's own clock in its own time zone: a wrong clock is what this line is looked at for. */
function applianceTime(basics: Basics): string {
  try {
    return new Date(basics.nowMs).toLocaleString('sv-SE', { timeZone: basics.timeZone });
  } catch {
    return formatInstant(basics.nowMs);
  }
}

type Package = Basics['packages'][number];
function PackagesSection({ packages }: { packages: Package[] }) {
  const { t } = useTranslation();
  const columns = useMemo<Column<Package>[]>(
    () => [
      {
        key: 'kind',
        header: t('appliance:packages.kind'),
        cell: (row) => t(`appliance:packages.kinds.${row.kind}`),
        width: '180px',
      },
      {
        key: 'version',
        header: t('appliance:packages.version'),
        cell: (row) => <span className="b-mono">{row.version}</span>,
        width: '220px',
      },
      {
        key: 'state',
        header: t('appliance:packages.state'),
        cell: (row) => (row.state === 'installed' ? t('appliance:packages.installed') : row.state),
      },
    ],
    [t],
  );
  return (
    <Section title={t('appliance:packages.title')}>
      <DataTable
        label={t('appliance:packages.title')}
        rows={packages}
        rowKey={(row) => `${row.kind} ${row.version}`}
        columns={columns}
        empty={t('shared:none')}
      />
    </Section>
  );
}

type Process = Basics['processes'][number];
const PROCESS_TONES = { ready: 'ok', starting: 'warn', waiting: 'warn', failed: 'bad' } as const;
function ProcessesSection({ basics }: { basics: Basics }) {
  const { t } = useTranslation();
  const columns = useMemo<Column<Process>[]>(
    () => [
      {
        key: 'name',
        header: t('appliance:processes.name'),
        cell: (row) => <span style={{ fontWeight: 550 }}>{row.name}</span>,
        width: '180px',
      },
      {
        key: 'state',
        header: t('appliance:processes.state'),
        cell: (row) => <StateMark tone={PROCESS_TONES[row.state]}>{t(`appliance:processes.states.${row.state}`)}</StateMark>,
        width: '220px',
      },
      { key: 'user', header: t('appliance:processes.user'), cell: (row) => <span className="b-mono">{row.user}</span> },
      {
        key: 'pid',
        header: t('appliance:processes.pid'),
        cell: (row) => <span className="b-mono">{row.pid}</span>,
        align: 'right',
      },
      {
        key: 'memory',
        header: t('appliance:processes.memory'),
        cell: (row) => (row.rssBytes === null ? '–' : formatBytes(row.rssBytes)),
        align: 'right',
      },
      { key: 'restarts', header: t('appliance:processes.restarts'), cell: (row) => row.restarts, align: 'right' },
      {
        key: 'started',
        header: t('appliance:processes.started'),
        cell: (row) => <span className="b-mono">{formatInstant(row.startedAtMs)}</span>,
      },
    ],
    [t],
  );
  return (
    <Section title={t('appliance:processes.title')} note={t('appliance:processes.restartsNote')}>
      <DataTable
        label={t('appliance:processes.title')}
        rows={basics.processes}
        rowKey={(row) => row.name}
        columns={columns}
        empty={t('shared:none')}
      />
      {!basics.separated && (
        <Alert color="yellow" py="xs" mt="xs">
          {t('appliance:processes.notSeparated')}
        </Alert>
      )}
    </Section>
  );
}

function CertificateSection({ basics }: { basics: Basics }) {
  const { t } = useTranslation();
  const { certificate, nowMs } = basics;
  const tone = certificateTone(certificate.notAfterMs, nowMs);
  return (
    <Section title={t('appliance:certificate.title')}>
      <Facts
        rows={[
          [t('appliance:certificate.issuedTo'), certificate.issuedTo],
          [
            t('appliance:certificate.notAfter'),
            <StateMark key="notAfter" tone={tone}>
              {formatInstant(certificate.notAfterMs)}
            </StateMark>,
          ],
          [t('appliance:certificate.names'), certificate.names.join(', ')],
          [t('certificates:field.warnings'), <WarningList key="warnings" warnings={certificate.warnings ?? []} />],
          [
            t('appliance:certificate.origin'),
            certificate.selfMade ? t('appliance:certificate.selfMade') : t('appliance:certificate.installed'),
          ],
          [
            t('appliance:certificate.sha256'),
            <span key="sha256" className="b-mono">
              {certificate.sha256}
            </span>,
          ],
        ]}
      />
    </Section>
  );
}
