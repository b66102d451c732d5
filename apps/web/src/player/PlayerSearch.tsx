import { useEffect, useRef, useState, type FormEvent } from 'react';
import { Button, TextInput } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { CastIndex } from './cast-index.ts';
import { searchCast, SEARCH_MAX_HITS, type SearchHit } from './cast-search.ts';
import { formatDuration } from './format-duration.ts';
import type { Playback } from './playback.ts';
import classes from './player.module.css';

interface Found {
  hits: SearchHit[];
  /** Whether everything had been read when it was searched. */
  whole: boolean;
}

/** Text search over the output: a list of places, each with a button that goes there. */
export function PlayerSearch({ index, playback }: { index: CastIndex; playback: Playback }) {
  const { t } = useTranslation('player');
  const [text, setText] = useState('');
  const [found, setFound] = useState<Found | 'searching'>();
  const running = useRef<AbortController>(undefined);
  useEffect(() => () => running.current?.abort(), []);
  const search = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    running.current?.abort();
    const controller = new AbortController();
    running.current = controller;
    setFound(text === '' ? undefined : 'searching');
    const whole = index.complete;
    const hits = await searchCast(index, text, controller.signal);
    if (!controller.signal.aborted && text !== '') setFound({ hits, whole });
  };
  return (
    <div className={classes['search']} role="search">
      <form onSubmit={(event) => void search(event)}>
        <TextInput
          size="xs"
          type="search"
          className={classes['searchBox']}
          aria-label={t('search')}
          placeholder={t('searchHint')}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <Button size="xs" variant="default" type="submit">
          {t('searchGo')}
        </Button>
        <span className="b-quiet" role="status">
          {found === 'searching' ? t('searching') : found && <Summary found={found} />}
        </span>
      </form>
      {found && found !== 'searching' && found.hits.length > 0 && (
        <HitList hits={found.hits} onGo={(seconds) => playback.seek(seconds)} />
      )}
    </div>
  );
}

function Summary({ found }: { found: Found }) {
  const { t } = useTranslation('player');
  const count = found.hits.length;
  const text = count === 0 ? t('noHits') : count >= SEARCH_MAX_HITS ? t('hitsMany', { count }) : t('hits', { count });
  return found.whole ? text : `${text} · ${t('notAllRead')}`;
}

function HitList({ hits, onGo }: { hits: readonly SearchHit[]; onGo: (seconds: number) => void }) {
  const { t } = useTranslation('player');
  return (
    <ol className={classes['hits']}>
      {hits.map((hit, position) => (
        // Hits have no identity of their own and never change places.
        <li key={position}>
          <button type="button" title={t('jumpTo', { time: formatDuration(hit.seconds) })} onClick={() => onGo(hit.seconds)}>
            <span className={classes['hitTime']}>{formatDuration(hit.seconds)}</span>
            <span className={classes['hitText']}>
              {hit.excerpt.slice(0, hit.from)}
              <mark>{hit.excerpt.slice(hit.from, hit.to)}</mark>
              {hit.excerpt.slice(hit.to)}
            </span>
          </button>
        </li>
      ))}
    </ol>
  );
}
