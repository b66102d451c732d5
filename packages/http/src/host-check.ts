import { isIP } from 'node:net';
import type { Site } from './route.ts';

const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/;

/**
 * Reads a Host header. Undefined when it is none of ours: a foreign name that points at this address (DNS rebinding). Ours are `names`,
 * `localhost` and every literal address, which no DNS answer can forge.
 */
export function siteOfHost(header: string | undefined, names: readonly string[]): Site | undefined {
  const text = header?.toLowerCase() ?? '';
  const host = HOST.exec(text)?.[1];
  if (host === undefined) return undefined;
  const hostName = host.startsWith('[') ? host.slice(1, -1) : host;
  const isOurs = hostName === 'localhost' || isIP(hostName) !== 0 || names.some((name) => name.toLowerCase() === hostName);
  return isOurs ? { origin: `https://${text.replace(/:443$/, '')}`, hostName } : undefined;
}

/**
 * Whether a changing request comes from our own page: browsers name the page in Origin and Sec-Fetch-Site. A program that is no browser sends
 * neither, and carries no cookie that it was not given.
 */
export function isOwnOrigin(headers: Record<string, string | string[] | undefined>, site: Site): boolean {
  const { origin, 'sec-fetch-site': fetchSite } = headers;
  if (origin !== undefined && origin !== site.origin) return false;
  return fetchSite === undefined || fetchSite === 'same-origin' || fetchSite === 'none';
}
