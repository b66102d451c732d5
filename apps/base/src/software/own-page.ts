import http from 'node:http';
import https from 'node:https';

export const PAGE_WAIT_MS = 10_000;

/**
 * Whether the front door gives the page at `url`, by the way that browsers take. The certificate is not looked at: it is our own door, and it may be one
 * that nobody trusts yet. False for an answer of 500 and above, and for none within PAGE_WAIT_MS.
 */
export function pageAnswers(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const get = url.startsWith('https:') ? https.get : http.get;
    const request = get(url, { rejectUnauthorized: false, agent: false, timeout: PAGE_WAIT_MS }, (response) => {
      response.resume();
      response.on('error', () => resolve(false));
      response.on('end', () => resolve((response.statusCode ?? 500) < 500));
    });
    request.on('timeout', () => request.destroy(new Error('late')));
    request.on('error', () => resolve(false));
  });
}
