import { z } from 'zod';
import { EVENT_TOPICS } from '@bascule/protocol/api/site.ts';

const MAX_TOPICS = 100;
const topics = z.array(z.string()).max(MAX_TOPICS);

/** The topics named by an event; an event we cannot read counts as 'everything changed'. */
export function readTopics(data: string): readonly string[] {
  try {
    const parsed = topics.safeParse(JSON.parse(data));
    return parsed.success ? parsed.data : EVENT_TOPICS;
  } catch {
    return EVENT_TOPICS;
  }
}
