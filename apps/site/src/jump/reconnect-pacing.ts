/** Connections per second that the windows are made for: 2 ms of server CPU each are one core. */
export const RECONNECT_RATE_PER_S = 500;
const WINDOW_MIN_MS = 200;
const WINDOW_MAX_MS = 600_000;
const WITH_SESSIONS_MIN_MS = 50;
const WITH_SESSIONS_MAX_MS = 60_000;
/** Clients with live sessions come first: in this part of the window. */
const WITH_SESSIONS_PART = 0.1;

/** How long `clientCount` clients are to spread their reconnects over (wire 3.8), so that the server takes them at RECONNECT_RATE_PER_S. */
export function reconnectWindows(clientCount: number): { windowMs: number; withSessionsWindowMs: number } {
  const spreadMs = Math.round((clientCount / RECONNECT_RATE_PER_S) * 1000);
  return {
    windowMs: Math.min(WINDOW_MAX_MS, Math.max(WINDOW_MIN_MS, spreadMs)),
    withSessionsWindowMs: Math.min(
      WITH_SESSIONS_MAX_MS,
      Math.max(WITH_SESSIONS_MIN_MS, Math.round(spreadMs * WITH_SESSIONS_PART)),
    ),
  };
}

/** The shortest time over which clients that are told to come back at once spread their first try. */
const RETURN_MIN_MS = 10;
/** Sessions have this long for themselves after the last of their clients was to be there: data links, viewers and what was typed come after the control link. */
const SESSIONS_ALONE_MS = 2_000;

/**
 * When clients come back after a planned break in which base holds their connections: `urgent` ones (with a session) at once, the `others` when those and their sessions are
 * through, both at RECONNECT_RATE_PER_S.
 */
export function returnWindows(urgent: number, others: number): Record<'first' | 'rest', { afterMs: number; withinMs: number }> {
  const spread = (count: number) =>
    Math.min(WINDOW_MAX_MS, Math.max(RETURN_MIN_MS, Math.round((count / RECONNECT_RATE_PER_S) * 1000)));
  const first = { afterMs: 0, withinMs: spread(urgent) };
  const aloneMs = urgent === 0 ? 0 : SESSIONS_ALONE_MS;
  return { first, rest: { afterMs: first.withinMs + aloneMs, withinMs: spread(others) } };
}
