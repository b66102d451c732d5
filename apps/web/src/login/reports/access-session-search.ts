import { z } from 'zod';
import { sessionState } from '@bascule/protocol/api/access-sessions.ts';
import { endReasons } from '@bascule/protocol/end-reason.ts';

const day = z.iso.date();
const schema = z.object({
  user: z.string().max(100).optional().catch(undefined),
  item: z.string().max(128).optional().catch(undefined),
  state: sessionState.optional().catch(undefined),
  endReason: z.enum(endReasons).optional().catch(undefined),
  /** Days in the browser's time zone; both are included. */
  from: day.optional().catch(undefined),
  to: day.optional().catch(undefined),
});
/** The filters of the report, as they stand in the address. */
export type AccessSessionSearch = z.infer<typeof schema>;

/** Whether `text` is a day of the calendar, written `2026-11-21`. */
export function isDay(text: string): boolean {
  return day.safeParse(text).success;
}

/** Reads the filters from the address; what is wrong is left out. */
export function accessSessionSearch(search: Record<string, unknown>): AccessSessionSearch {
  return schema.parse(search);
}

/** The filters as the API wants them: days become instants, the last day to its end. */
export function accessSessionQuery(search: AccessSessionSearch): Record<string, string | number | undefined> {
  const { from, to, ...others } = search;
  return {
    ...others,
    fromMs: from === undefined ? undefined : startOfDay(from, 0),
    toMs: to === undefined ? undefined : startOfDay(to, 1) - 1,
  };
}

function startOfDay(text: string, daysLater: number): number {
  const [year = 0, month = 1, date = 1] = text.split('-').map(Number);
  return new Date(year, month - 1, date + daysLater).getTime();
}
