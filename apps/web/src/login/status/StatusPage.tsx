import type { ReactNode } from 'react';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { Alert, Skeleton } from '@mantine/core';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Facts, Section, StateMark } from '../../shared/Section.tsx';
import { formatBytes, formatCount, formatInstant, formatInstantWithZone } from '../../shared/format.ts';
import { useLoggedIn } from '../../shared/login-state.ts';
import { loginPaths } from '../login-paths.ts';
import { ActiveSessionsTable } from './ActiveSessionsTable.tsx';
import { useBackupNotices } from './BackupNotices.tsx';
import { ConnectedClientsSection } from './ConnectedClientsSection.tsx';
import { useSiteStatus } from './site-status.ts';

const FACTS_HEIGHT_PX = 104;

/** Status > Information: the site in one view, the access sessions that run now, and which clients are online (B28). */
export function StatusPage() {
  const { t } = useTranslation();
  return (
    <>
      <Section title={t('login:status.information')}>
        <Information />
      </Section>
      <Section title={t('login:status.activeSessions')}>
        <ActiveSessionsTable />
      </Section>
      <ConnectedClientsSection />
    </>
  );
}

function Information() {
  const { t } = useTranslation();
  const status = useSiteStatus();
  const administrator = useLoggedIn().role === 'administrator';
  const backupNotices = useBackupNotices(administrator, (status.data?.jumpClients.total ?? 0) > 0);
  if (status.isError && status.data === undefined) return <QueryFailure query={status} />;
  if (status.data === undefined || backupNotices === undefined) return <Skeleton height={FACTS_HEIGHT_PX} />;
  const { jumpClients, recordings, restored, ...site } = status.data;
  const clients = t('login:status.clientCounts', { online: jumpClients.online, total: jumpClients.total });
  return (
    <>
      {administrator && jumpClients.total === 0 && <FirstClientHint />}
      {restored !== null && (
        <Alert color="yellow" role="alert" mb="sm" title={t('trust:restored.title')}>
          {t('trust:restored.text', {
            count: restored.clients,
            number: formatCount(restored.clients),
            since: formatInstant(restored.sinceMs),
          })}
        </Alert>
      )}
      {backupNotices}
      <Facts
        rows={[
          [t('login:status.site'), site.applianceName],
          [t('login:status.version'), site.version],
          [t('login:status.jumpClients'), clients],
          ...(administrator
            ? [
                fact(
                  t('login:status.waiting'),
                  <Waiting key="waiting" waiting={jumpClients.waiting} conflicts={jumpClients.conflicts} />,
                ),
              ]
            : []),
          [
            t('login:status.recordings'),
            <StateMark key="recordings" tone={recordings.ok ? 'ok' : 'bad'}>
              {recordings.ok ? t('login:status.recordingsOk') : t('login:status.recordingsBad')}
            </StateMark>,
          ],
          ...(administrator
            ? [
                fact(
                  t('login:status.recordingsDisk'),
                  t('login:status.disk', { used: formatBytes(recordings.usedBytes), free: formatBytes(recordings.freeBytes) }),
                ),
              ]
            : []),
          [t('login:status.time'), formatInstantWithZone(site.nowMs)],
          [t('login:status.sessions'), site.activeSessions],
        ]}
      />
    </>
  );
}

function fact(label: string, content: ReactNode): [label: string, content: ReactNode] {
  return [label, content];
}

function Waiting({ waiting, conflicts }: { waiting: number; conflicts: number }) {
  const { t } = useTranslation();
  if (waiting === 0 && conflicts === 0) return <>{t('shared:none')}</>;
  const text = [
    waiting > 0 ? t('login:status.waitingCount', { count: waiting }) : '',
    conflicts > 0 ? t('login:status.conflictCount', { count: conflicts }) : '',
  ]
    .filter(Boolean)
    .join(', ');
  return (
    <Link to={loginPaths.jumpClients}>
      <StateMark tone="warn">{text}</StateMark>
    </Link>
  );
}

/** What to do on a site to which nothing is connected yet. */
function FirstClientHint() {
  const { t } = useTranslation();
  return (
    <Alert title={t('login:firstClient.title')} mb="sm" color="accent">
      <ol style={{ margin: 0, paddingLeft: 20 }}>
        <li>
          <Link to={loginPaths.installerTokens}>{t('login:firstClient.token')}</Link>
        </li>
        <li>{t('login:firstClient.run')}</li>
        <li>{t('login:firstClient.approve')}</li>
      </ol>
    </Alert>
  );
}
