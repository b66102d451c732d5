import '@fontsource/jetbrains-mono/400.css';
import '@fontsource/jetbrains-mono/700.css';
import '@xterm/xterm/css/xterm.css';
import { useEffect, useRef, useState, type KeyboardEvent } from 'react';
import { Alert, Button, Loader, useComputedColorScheme } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { accessSessionDetail } from '@bascule/protocol/api/access-sessions.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { provideHooks } from '../console/test-hooks.ts';
import { useApi } from '../shared/api-context.tsx';
import { errorText } from '../shared/error-text.ts';
import { loadNamespace } from '../shared/i18n.ts';
import { apiPaths } from '../shared/paths.ts';
import { PlayerControls } from './PlayerControls.tsx';
import { PlayerSearch } from './PlayerSearch.tsx';
import type { Playback } from './playback.ts';
import { PlayedRecording } from './recording-player.ts';
import classes from './player.module.css';

const STEP_SECONDS = 5;
const LONG_STEP_SECONDS = 60;

/** Plays the recording of an access session. Space plays and pauses, the arrow keys move, wherever the focus is inside the player. */
export function RecordingPlayer({ sessionId }: { sessionId: string }) {
  const { i18n } = useTranslation();
  const [language, setLanguage] = useState<string>();
  useEffect(() => {
    void loadNamespace('player').then(() => setLanguage(i18n.language));
  }, [i18n.language]);
  return language === undefined ? <Loader size="sm" /> : <Player sessionId={sessionId} />;
}

function Player({ sessionId }: { sessionId: string }) {
  const { t } = useTranslation('player');
  const api = useApi();
  const [attempt, setAttempt] = useState(0);
  const recording = usePlayedRecording(api.url(apiPaths.asciicast(sessionId)), attempt, t('screen'));
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (recording && place.current) void recording.view.open(place.current);
  }, [recording]);
  const failed = recording?.reading.kind === 'failed' ? recording.reading.error : undefined;
  const nothingRead = failed !== undefined && !recording?.playback;
  return (
    <section
      className={classes['player']}
      aria-label={t('heading')}
      onKeyDown={(event) => onPlayerKey(event, recording?.playback)}
    >
      <Incomplete sessionId={sessionId} />
      {failed !== undefined && (
        <Alert color="red" p="xs">
          {nothingRead
            ? t('failed', { reason: reasonOf(failed, t('unreadable')) })
            : failed instanceof AppError
              ? t('unreadable')
              : t('cutShort')}{' '}
          <Button size="compact-xs" variant="default" onClick={() => setAttempt(attempt + 1)}>
            {t('retry')}
          </Button>
        </Alert>
      )}
      <div className={classes['screen']} hidden={nothingRead} tabIndex={0} role="group" aria-label={t('screen')}>
        <div ref={place} className={classes['place']} />
        {!recording?.playback && !nothingRead && (
          <p className={classes['waiting']} role="status">
            <Loader size="xs" /> {t('loading')}
          </p>
        )}
      </div>
      {recording?.playback && <PlayerControls playback={recording.playback} />}
      {recording?.index && recording.playback && <PlayerSearch index={recording.index} playback={recording.playback} />}
    </section>
  );
}

function reasonOf(error: unknown, unreadable: string): string {
  return error instanceof AppError ? unreadable : errorText(error);
}

/** The recording at `url`, read anew with every `attempt`; it redraws the player when it changes. */
function usePlayedRecording(url: string, attempt: number, label: string): PlayedRecording | undefined {
  const scheme = useComputedColorScheme('dark');
  const [recording, setRecording] = useState<PlayedRecording>();
  const [, redraw] = useState(0);
  const firstScheme = useRef(scheme);
  useEffect(() => {
    const opened = new PlayedRecording(firstScheme.current, label);
    setRecording(opened);
    const unsubscribe = opened.subscribe(() => redraw((count) => count + 1));
    const removeHooks = provideHooks({ playerText: () => opened.view.text() });
    void opened.read(url);
    return () => {
      unsubscribe();
      removeHooks();
      opened.close();
    };
  }, [url, attempt, label]);
  useEffect(() => {
    firstScheme.current = scheme;
    recording?.view.setScheme(scheme);
  }, [recording, scheme]);
  return recording;
}

function Incomplete({ sessionId }: { sessionId: string }) {
  const { t } = useTranslation('player');
  const api = useApi();
  const { data } = useQuery({
    queryKey: ['active-sessions', 'recording', sessionId],
    queryFn: ({ signal }) => api.get(apiPaths.accessSessionReport(sessionId), accessSessionDetail, {}, signal),
  });
  if (data?.recording?.complete !== false) return null;
  return (
    <Alert color="yellow" p="xs">
      {t('incomplete')}
    </Alert>
  );
}

function onPlayerKey(event: KeyboardEvent, playback: Playback | undefined): void {
  const target = event.target as HTMLElement;
  // Fields, lists and the seek bar keep their own keys; a focused button keeps its space.
  if (
    !playback ||
    event.ctrlKey ||
    event.altKey ||
    event.metaKey ||
    target.closest('input, select, [role="option"], [role="slider"]')
  )
    return;
  const { positionSeconds } = playback.state;
  const step = event.shiftKey ? LONG_STEP_SECONDS : STEP_SECONDS;
  if (event.key === ' ' && !target.closest('button')) playback.toggle();
  else if (event.key === 'ArrowRight') playback.seek(positionSeconds + step);
  else if (event.key === 'ArrowLeft') playback.seek(positionSeconds - step);
  else return;
  event.preventDefault();
  event.stopPropagation();
}
