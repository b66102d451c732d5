import { hasCookie } from '@bascule/http/login-cookie.ts';
import { BACKGROUND_HEADER, CSRF_HEADER } from '@bascule/protocol/api/common.ts';
import { REHEARSAL_COOKIE } from '@bascule/protocol/rehearsal.ts';

/** Headers that belong to one hop (RFC 9110, 7.6.1); each side of base has its own. */
const HOP_HEADERS = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);
/** What base answers by itself: Node sends 100 Continue when base begins to read. */
const ANSWERED_HEADERS = new Set(['expect']);

/** Whether a request header tells who asks, which only base may say (wire 2.3). */
export function isForged(name: string): boolean {
  return (
    name === 'forwarded' ||
    name === 'x-real-ip' ||
    name.startsWith('x-forwarded-') ||
    name.startsWith('proxy-') ||
    (name.startsWith('x-bascule-') && name !== CSRF_HEADER && name !== BACKGROUND_HEADER)
  );
}

/** `rawHeaders` (name, value, name, value, ...) without what was forged, what is for this hop, and what `connection` names. */
export function requestHeaders(rawHeaders: readonly string[]): string[] {
  return keep(rawHeaders, (name) => !HOP_HEADERS.has(name) && !ANSWERED_HEADERS.has(name) && !isForged(name));
}

/** The headers of an answer on its way to the browser. HSTS is base's business: never with a self-made certificate, which it would make impossible to pass. */
export function responseHeaders(rawHeaders: readonly string[]): string[] {
  return keep(rawHeaders, (name) => !HOP_HEADERS.has(name) && name !== 'strict-transport-security');
}

/** The headers of an upgrade request: as `requestHeaders`, and with `connection` and `upgrade` put there anew. */
export function upgradeHeaders(rawHeaders: readonly string[]): string[] {
  return [...requestHeaders(rawHeaders), 'Connection', 'Upgrade', 'Upgrade', 'websocket'];
}

/** Deletes from `headers` what wire 2.3 removes: for requests that base answers itself. */
export function removeForged(headers: Record<string, unknown>): void {
  for (const name of Object.keys(headers)) if (isForged(name)) delete headers[name];
}

/** Whether a request has the cookie of a test of the standby, valid or not: main alone decides about it, also for what the relay would get (wire 2.4). */
export function bearsRehearsalCookie({ cookie }: { cookie?: string | undefined }): boolean {
  return hasCookie(cookie, REHEARSAL_COOKIE);
}

function keep(rawHeaders: readonly string[], wanted: (name: string) => boolean): string[] {
  const named = new Set<string>();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    if (rawHeaders[i]!.toLowerCase() === 'connection')
      for (const name of rawHeaders[i + 1]!.split(',')) named.add(name.trim().toLowerCase());
  }
  // Framing is decided here, not by what `connection` lists: a request must not lose its length on the way.
  named.delete('content-length');
  named.delete('host');
  const kept: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase();
    if (wanted(name) && !named.has(name)) kept.push(rawHeaders[i]!, rawHeaders[i + 1]!);
  }
  return kept;
}
