import { lazy, Suspense } from 'react';
import { Link } from '@tanstack/react-router';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import type { z } from 'zod';
import { Anchor, Button, Skeleton } from '@mantine/core';
import { accessSessionDetail } from '@bascule/protocol/api/access-sessions.ts';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Facts, Section, StateMark } from '../../shared/Section.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { formatBytes, formatDuration, formatInstant } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';
import { loginPaths } from '../login-paths.ts';
import { LiveState } from '../status/ActiveSessionsTable.tsx';
import classes from './AccessSessionPage.module.css';

const RecordingPlayer = lazy(async () => ({ default: (await import('../../player/RecordingPlayer.tsx')).RecordingPlayer }));
const LIVE_REFRESH_MS = 5_000;
const PLAYER_HEIGHT_PX = 480;

/** One access session: who, what, when, from where, how it ended, bytes; its recording, played and to download. */
export function AccessSessionPage({ sessionId }: { sessionId: string }) {
  const { t } = useTranslation();
  const api = useApi();
  const detail = useQuery({
    queryKey: ['access-session', sessionId],
    queryFn: ({ signal }) => api.get(apiPaths.accessSessionReport(sessionId), accessSessionDetail, {}, signal),
    refetchInterval: (query) => (query.state.data?.session.state === 'ended' ? false : LIVE_REFRESH_MS),
  });
  return (
    <>
      <p style={{ margin: '0 0 8px' }}>
        <Anchor component={Link} to={loginPaths.accessSessions}>
          ← {t('login:reports.title')}
        </Anchor>
      </p>
      {detail.isError && detail.data === undefined && <QueryFailure query={detail} />}
      {detail.isPending && <Skeleton height={220} />}
      {detail.data !== undefined && <Detail detail={detail.data} />}
    </>
  );
}

type AccessSessionDetail = z.infer<typeof accessSessionDetail>;

/** The player with everything about the session beside it, or below it in a narrow window. */
function Detail({ detail }: { detail: AccessSessionDetail }) {
  const { t } = useTranslation();
  const { session, recording } = detail;
  return (
    <div className={classes['columns']}>
      <Section
        title={t('login:reports.detailTitle', { user: session.userName, item: session.jumpItemName })}
        actions={recording !== null && <Downloads sessionId={session.id} />}
      >
        {recording === null ? (
          <p className="b-quiet">{t('login:reports.noRecording')}</p>
        ) : (
          <Suspense fallback={<Skeleton height={PLAYER_HEIGHT_PX} />}>
            <RecordingPlayer sessionId={session.id} />
          </Suspense>
        )}
      </Section>
      <div className={classes['facts']}>
        <SessionFacts session={session} />
        {recording !== null && <RecordingFacts recording={recording} running={session.state !== 'ended'} />}
      </div>
    </div>
  );
}

function SessionFacts({ session }: { session: AccessSessionDetail['session'] }) {
  const { t, i18n } = useTranslation();
  const length = session.endedAtMs === null ? Date.now() - session.startedAtMs : session.endedAtMs - session.startedAtMs;
  const size = (bytes: number) =>
    t('login:reports.bytes', { size: formatBytes(bytes), bytes: bytes.toLocaleString(i18n.language) });
  return (
    <Section title={t('login:session.title')}>
      <Facts
        rows={[
          [t('login:session.user'), session.userName],
          [t('login:session.item'), session.jumpItemName],
          [t('login:jump.host'), session.hostName],
          [t('login:session.runsAs'), <code key="runsAs">{session.runsAs}</code>],
          [t('login:session.from'), <code key="from">{session.fromAddress}</code>],
          [t('login:session.started'), formatInstant(session.startedAtMs)],
          [t('login:session.ended'), session.endedAtMs === null ? '–' : formatInstant(session.endedAtMs)],
          [t('login:session.length'), formatDuration(length)],
          [
            t('login:session.state'),
            session.endReason === null ? <LiveState key="state" row={session} /> : t(`shared:endReason.${session.endReason}`),
          ],
          [t('login:session.exitCode'), session.exitCode ?? '–'],
          [t('login:session.output'), size(session.outBytes)],
          [t('login:session.input'), size(session.inBytes)],
          [t('login:reports.inputRecorded'), session.recordsInput ? t('shared:yes') : t('shared:no')],
          [t('login:reports.id'), <code key="id">{session.id}</code>],
        ]}
      />
    </Section>
  );
}

function RecordingFacts({ recording, running }: { recording: NonNullable<AccessSessionDetail['recording']>; running: boolean }) {
  const { t } = useTranslation();
  const unfinished = running ? t('login:reports.growing') : t('login:reports.incomplete');
  return (
    <Section title={t('login:session.recording')}>
      <Facts
        rows={[
          [
            t('login:reports.recordingState'),
            <StateMark key="state" tone={recording.complete ? 'ok' : 'warn'}>
              {recording.complete ? t('login:reports.complete') : unfinished}
            </StateMark>,
          ],
          [t('login:reports.recordingSize'), formatBytes(recording.bytes)],
          [t('login:session.length'), formatDuration(recording.durationMs)],
          ...(recording.missingBytes === undefined
            ? []
            : [
                [t('login:reports.missing'), t('login:reports.missingBytes', { size: formatBytes(recording.missingBytes) })] as [
                  string,
                  string,
                ],
              ]),
          ...(recording.headSha256 === null
            ? []
            : [[t('login:reports.head'), <code key="head">{recording.headSha256}</code>] as [string, React.ReactNode]]),
        ]}
      />
    </Section>
  );
}

function Downloads({ sessionId }: { sessionId: string }) {
  const { t } = useTranslation();
  const api = useApi();
  const files: [label: string, path: string][] = [
    [t('login:reports.downloadRecording'), apiPaths.recording(sessionId)],
    [t('login:reports.downloadAsciicast'), apiPaths.asciicast(sessionId)],
    [t('login:reports.downloadVerifier'), apiPaths.verifier],
  ];
  return files.map(([label, path]) => (
    <Button key={path} component="a" href={api.url(path)} download variant="default">
      {label}
    </Button>
  ));
}
