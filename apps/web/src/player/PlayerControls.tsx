import { useSyncExternalStore, type KeyboardEvent } from 'react';
import { Button, SegmentedControl, Switch } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { IDLE_LIMIT_SECONDS } from './cast-cursor.ts';
import { formatDuration } from './format-duration.ts';
import { SPEEDS, type Playback, type PlaybackState } from './playback.ts';
import classes from './player.module.css';

/** Seconds that a page key moves the seek bar; arrows move it by 5, as everywhere in the player. */
const ARROW_SECONDS = 5;
const PAGE_SECONDS = 60;

/** The measured speed is shown when it is less than this part of the chosen one. */
const SLOWER_SHOWN_BELOW = 0.9;

/** Play and pause, the seek bar, speed, and whether idle time is skipped. */
export function PlayerControls({ playback }: { playback: Playback }) {
  const { t } = useTranslation('player');
  const state = useSyncExternalStore(
    (listener) => playback.subscribe(listener),
    () => playback.state,
  );
  const toggle = state.playing ? t('pause') : state.ended ? t('again') : t('play');
  return (
    <div className={classes['controls']} role="group" aria-label={t('controls')}>
      <Button
        className={classes['play']}
        size="xs"
        variant="filled"
        aria-label={toggle}
        title={toggle}
        onClick={() => playback.toggle()}
      >
        <PlaySymbol playing={state.playing} />
      </Button>
      <SeekBar playback={playback} state={state} />
      <span className={classes['time']}>
        {formatDuration(state.positionSeconds)} / {formatDuration(state.durationSeconds)}
        {!state.loaded && <span className="b-quiet"> …</span>}
      </span>
      <SegmentedControl
        size="xs"
        aria-label={t('speed')}
        value={String(state.speed)}
        data={SPEEDS.map((speed) => ({ value: String(speed), label: t('speedValue', { speed }) }))}
        onChange={(speed) => playback.setSpeed(Number(speed))}
      />
      <MeasuredSpeed state={state} />
      <Switch
        size="xs"
        label={t('skipIdle')}
        title={t('skipIdleHint', { seconds: IDLE_LIMIT_SECONDS })}
        checked={state.skipIdle}
        onChange={(event) => playback.setSkipIdle(event.currentTarget.checked)}
      />
    </div>
  );
}

/** The speed that is reached, when it is not the one chosen. */
function MeasuredSpeed({ state: { speed, measuredSpeed } }: { state: PlaybackState }) {
  const { t, i18n } = useTranslation('player');
  if (measuredSpeed === undefined || measuredSpeed >= speed * SLOWER_SHOWN_BELOW) return null;
  const reached = measuredSpeed.toLocaleString(i18n.language, { maximumFractionDigits: 1 });
  return <span className="b-quiet">{t('measuredSpeed', { speed: reached })}</span>;
}

function PlaySymbol({ playing }: { playing: boolean }) {
  return (
    <svg width="12" height="12" viewBox="0 0 12 12" fill="currentColor" aria-hidden="true">
      {playing ? <path d="M2 1h3v10H2zM7 1h3v10H7z" /> : <path d="M2 0.5 11 6 2 11.5z" />}
    </svg>
  );
}

function SeekBar({ playback, state }: { playback: Playback; state: PlaybackState }) {
  const { t } = useTranslation('player');
  const { positionSeconds, durationSeconds } = state;
  const onKeyDown = (event: KeyboardEvent): void => {
    const by = {
      ArrowRight: ARROW_SECONDS,
      ArrowUp: ARROW_SECONDS,
      ArrowLeft: -ARROW_SECONDS,
      ArrowDown: -ARROW_SECONDS,
      PageUp: PAGE_SECONDS,
      PageDown: -PAGE_SECONDS,
    }[event.key];
    if (event.key === ' ') playback.toggle();
    else if (by !== undefined) playback.seek(positionSeconds + by);
    else return;
    event.preventDefault();
  };
  return (
    <input
      type="range"
      className={classes['seek']}
      min={0}
      max={Math.max(durationSeconds, 0.001)}
      step="any"
      value={positionSeconds}
      aria-label={t('position')}
      aria-valuetext={t('positionText', { position: formatDuration(positionSeconds), total: formatDuration(durationSeconds) })}
      onChange={(event) => playback.seek(Number(event.currentTarget.value))}
      onKeyDown={onKeyDown}
    />
  );
}
