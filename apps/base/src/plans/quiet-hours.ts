/** When it is quiet: two maintenance windows (B46, B123), by the sessions of the last four weeks. */

export const HOURS_OF_WEEK = 168;
const HOUR_MS = 3_600_000;
/** Sunday 00:00 UTC: from here the hours of a week are counted. */
const A_SUNDAY_MS = Date.UTC(2023, 0, 1);
/** Nobody is asked to begin within this. */
const FIRST_AFTER_MS = HOUR_MS;
/** The interval between the windows: long enough to see a working day in production, short enough to limit the time without failover (B123). */
export const INTERVAL_MIN_HOURS = 20;
export const INTERVAL_MAX_HOURS = 72;

/**
 * Proposes when each window of `windows` (in seconds) begins: the full hour with the fewest sessions while it lasts. `sessionsByHour`: those that ran in each hour
 * of the week (UTC, from Sunday). Gives nulls when the history does not say.
 */
export function proposeWindows(
  sessionsByHour: readonly number[] | undefined,
  windows: readonly number[],
  nowMs: number,
): (number | null)[] {
  if (sessionsByHour === undefined || sessionsByHour.length !== HOURS_OF_WEEK) return windows.map(() => null);
  let fromMs = nextHour(nowMs + FIRST_AFTER_MS);
  let hours = HOURS_OF_WEEK;
  return windows.map((seconds) => {
    const beginMs = quietest(sessionsByHour, fromMs, hours, seconds);
    fromMs = nextHour(beginMs + seconds * 1000 + INTERVAL_MIN_HOURS * HOUR_MS);
    hours = INTERVAL_MAX_HOURS - INTERVAL_MIN_HOURS;
    return beginMs;
  });
}

/** The earliest of the quietest beginnings within `hours` hours of `fromMs`. */
function quietest(sessionsByHour: readonly number[], fromMs: number, hours: number, seconds: number): number {
  const length = Math.max(1, Math.ceil(seconds / 3600));
  let best = { beginMs: fromMs, sessions: Number.POSITIVE_INFINITY };
  for (let hour = 0; hour < hours; hour++) {
    const beginMs = fromMs + hour * HOUR_MS;
    let sessions = 0;
    for (let within = 0; within < length; within++) sessions += sessionsByHour[hourOfWeek(beginMs + within * HOUR_MS)] ?? 0;
    if (sessions < best.sessions) best = { beginMs, sessions };
  }
  return best.beginMs;
}

export function hourOfWeek(atMs: number): number {
  const hour = Math.floor((atMs - A_SUNDAY_MS) / HOUR_MS) % HOURS_OF_WEEK;
  return (hour + HOURS_OF_WEEK) % HOURS_OF_WEEK;
}

function nextHour(atMs: number): number {
  return Math.ceil(atMs / HOUR_MS) * HOUR_MS;
}
