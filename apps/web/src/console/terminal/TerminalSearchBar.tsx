import { useEffect, useState, type KeyboardEvent } from 'react';
import { ActionIcon, CloseButton, TextInput } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { TerminalView } from './terminal-view.ts';
import classes from './terminal.module.css';

/** Searches what the terminal holds; Enter goes to the next match, Shift+Enter to the one before, Esc closes. */
export function TerminalSearchBar({ view, onClose }: { view: TerminalView; onClose: () => void }) {
  const { t } = useTranslation('console');
  const [text, setText] = useState('');
  const [found, setFound] = useState({ index: -1, count: 0 });
  useEffect(() => {
    const listening = view.onFound(setFound);
    return () => {
      listening.dispose();
      view.endFind();
    };
  }, [view]);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') onClose();
    else if (event.key === 'Enter') view.find(text, event.shiftKey ? 'previous' : 'next');
    else return;
    event.preventDefault();
  };
  const counted = found.index >= 0 ? t('search.count', { index: found.index + 1, count: found.count }) : String(found.count);
  return (
    <div className={classes['searchBar']} role="search" onKeyDown={onKeyDown}>
      <TextInput
        size="xs"
        autoFocus
        aria-label={t('search.label')}
        placeholder={t('search.label')}
        value={text}
        onChange={(event) => {
          setText(event.currentTarget.value);
          view.find(event.currentTarget.value, 'next', true);
        }}
      />
      <span className={classes['searchCount']} role="status">
        {text === '' ? '' : found.count === 0 ? t('search.none') : counted}
      </span>
      <ActionIcon aria-label={t('search.previous')} onClick={() => view.find(text, 'previous')}>
        ↑
      </ActionIcon>
      <ActionIcon aria-label={t('search.next')} onClick={() => view.find(text, 'next')}>
        ↓
      </ActionIcon>
      <CloseButton size="sm" aria-label={t('search.close')} onClick={onClose} />
    </div>
  );
}
