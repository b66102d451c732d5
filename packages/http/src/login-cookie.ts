import type { FastifyReply } from 'fastify';
import type { LoginCookie } from './route.ts';

/** A Cookie header longer than this is not read. */
const COOKIE_HEADER_MAX_CHARACTERS = 8192;
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Strict';

/** The value of cookie `name` in a Cookie header; undefined when it is missing or there twice. */
export function readCookie(header: string | undefined, name: string): string | undefined {
  if (header === undefined || header.length > COOKIE_HEADER_MAX_CHARACTERS) return undefined;
  const values = header
    .split(';')
    .map((part) => part.trim())
    .filter((part) => part.startsWith(`${name}=`))
    .map((part) => part.slice(name.length + 1));
  return values.length === 1 ? values[0] : undefined;
}

/** Whether a Cookie header has a cookie of that name, whatever its value, once or several times. */
export function hasCookie(header: string | undefined, name: string): boolean {
  return header?.split(';').some((part) => part.trim().startsWith(`${name}=`)) === true;
}

/** The login cookie of one request; `set` and `clear` write the answer's header. A cookie without an end: login sessions end here, not in the browser. */
export function loginCookie(name: string, header: string | undefined, reply: FastifyReply): LoginCookie {
  return {
    value: readCookie(header, name),
    set: (value) => void reply.header('set-cookie', `${name}=${value}; ${ATTRIBUTES}`),
    clear: () => void reply.header('set-cookie', `${name}=; ${ATTRIBUTES}; Max-Age=0`),
  };
}
