import { useEffect } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import { EVENT_TOPICS } from '@bascule/protocol/api/site.ts';
import { useApi } from './api-context.tsx';
import { readTopics } from './event-topics.ts';
import { ME_KEY } from './login-state.ts';
import { apiPaths } from './paths.ts';

export type Topic = (typeof EVENT_TOPICS)[number];
/** A stream that broke for good (a 503 while the site restarts ends it) is opened again after this. */
const REOPEN_MS = 2_000;

/**
 * While mounted, keeps the site's event stream open and makes the queries of changed topics be read again. A query belongs to the topic
 * that its key starts with. After every reconnect all topics count as changed: what happened meanwhile was not heard.
 */
export function useLiveEvents(): void {
  const api = useApi();
  const client = useQueryClient();
  useEffect(() => {
    let source: EventSource | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let opened = false;
    const invalidate = (changed: readonly string[]) => {
      for (const topic of changed) void client.invalidateQueries({ queryKey: [topic] });
    };
    const open = () => {
      source = new EventSource(api.url(apiPaths.events));
      source.addEventListener('changed', (event: MessageEvent<string>) => invalidate(readTopics(event.data)));
      source.addEventListener('open', () => {
        if (opened) invalidate(EVENT_TOPICS);
        opened = true;
      });
      source.addEventListener('error', () => {
        void client.invalidateQueries({ queryKey: ['appliance-state'] });
        if (source?.readyState !== EventSource.CLOSED) return;
        // Refused: perhaps the login is over, which no other request of a quiet page would notice.
        void client.invalidateQueries({ queryKey: ME_KEY });
        timer = setTimeout(open, REOPEN_MS);
      });
    };
    open();
    return () => {
      clearTimeout(timer);
      source?.close();
    };
  }, [api, client]);
}
