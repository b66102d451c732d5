/** What of a request and its answer passes between a browser and the scratch copy: each header is written anew, and what belongs to one hop stays behind. */
import { endToEndHeaders } from '@bascule/http/end-to-end-headers.ts';
import { readCookie } from '@bascule/http/login-cookie.ts';
import { REHEARSAL_COOKIE } from '@bascule/protocol/rehearsal.ts';
import { SITE_COOKIE } from '../../identity/identity.ts';
import type { Visit } from './rehearsal-guide-people.ts';

/** Of a request: what frames a message, and what is for a hop; each side of the tunnel has its own. The cookies are said anew. */
const LEFT_BEHIND = new Set(['content-length', 'expect', 'proxy-authenticate', 'proxy-authorization', 'cookie']);
/** Of an answer, besides what begins with `sec-websocket-`. Everything else stays behind: a browser keeps much of it under the name of the site for longer than the test lasts. */
const ANSWERED = new Set([
  'accept-ranges',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-range',
  'content-security-policy',
  'content-type',
  'cross-origin-opener-policy',
  'cross-origin-resource-policy',
  'location',
  'permissions-policy',
  'referrer-policy',
  'retry-after',
  'vary',
  'x-content-type-options',
  'x-frame-options',
]);
/** Nor is any of the pages and files kept: those of the copy may be of another version. */
const KEPT_NOWHERE = ['Cache-Control', 'no-store'];
const COOKIE_VALUE = /^[A-Za-z0-9_-]{1,200}$/;

/** The value of the cookie of the test; undefined when it is missing or there twice. */
export function rehearsalCookieOf(header: string | undefined): string | undefined {
  return readCookie(header, REHEARSAL_COOKIE);
}

/** The headers of a request for the scratch copy. Of its cookies only the login of `visit` goes there. */
export function carriedRequestHeaders(rawHeaders: readonly string[], cookie: string | undefined, visit: Visit): string[] {
  const login = visit.loginCookie ?? readCookie(cookie, SITE_COOKIE) ?? '';
  const kept = endToEndHeaders(rawHeaders, (name) => !LEFT_BEHIND.has(name));
  return login === '' ? kept : [...kept, 'Cookie', `${SITE_COOKIE}=${login}`];
}

/** The headers of its answer. Nothing of it is kept by the browser, cookies least of all: `visit` keeps the login of the scratch copy. */
export function carriedAnswerHeaders(rawHeaders: readonly string[], visit: Visit): string[] {
  for (let i = 0; i + 1 < rawHeaders.length; i += 2)
    if (rawHeaders[i]?.toLowerCase() === 'set-cookie') noteLogin(rawHeaders[i + 1] ?? '', visit);
  const kept = endToEndHeaders(rawHeaders, (name) => ANSWERED.has(name) || name.startsWith('sec-websocket-'));
  return [...kept, ...KEPT_NOWHERE];
}

function noteLogin(setCookie: string, visit: Visit): void {
  const [pair = '', ...attributes] = setCookie.split(';');
  if (!pair.trim().startsWith(`${SITE_COOKIE}=`)) return;
  const value = pair.trim().slice(SITE_COOKIE.length + 1);
  const isCleared = attributes.some((attribute) => /^\s*max-age=0\s*$/i.test(attribute));
  visit.loginCookie = !isCleared && COOKIE_VALUE.test(value) ? value : '';
}
