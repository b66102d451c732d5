import { endToEndHeaders } from '@bascule/http/end-to-end-headers.ts';
import { hasCookie } from '@bascule/http/login-cookie.ts';
import { BACKGROUND_HEADER, CSRF_HEADER } from '@bascule/protocol/api/common.ts';
import { REHEARSAL_COOKIE } from '@bascule/protocol/rehearsal.ts';

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
  return endToEndHeaders(rawHeaders, (name) => !ANSWERED_HEADERS.has(name) && !isForged(name));
}

/** The headers of an answer on its way to the browser. HSTS is base's business: never with a self-made certificate, which it would make impossible to pass. */
export function responseHeaders(rawHeaders: readonly string[]): string[] {
  return endToEndHeaders(rawHeaders, (name) => name !== 'strict-transport-security');
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
