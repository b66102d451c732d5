import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { connectWithPreamble } from '@bascule/wire/preamble.ts';
import { upgradeHeaders } from './front-headers.ts';
import { SPLICE_HIGH_WATER_BYTES } from './front-limits.ts';
import type { Peer, SiteRoute, SiteWait } from './front-site-wait.ts';

/** What a side may still take to read what the other sent last, once that one has closed. */
const CLOSING_WAIT_MS = 30_000;

/** Carries an upgrade request to the relay over a connection of its own, and from then on bytes both ways. */
export async function carryUpgrade(
  request: IncomingMessage,
  browser: Duplex,
  head: Buffer,
  peer: Peer,
  route: SiteRoute,
  wait: SiteWait,
): Promise<void> {
  browser.on('error', () => browser.destroy());
  const relay = await wait.until(route, performance.now());
  if (browser.destroyed) return;
  if (relay === undefined) {
    browser.end('HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    return;
  }
  const upstream = connectWithPreamble(relay.socketPath, peer);
  const fields = upgradeHeaders(request.rawHeaders);
  let text = `GET ${request.url} HTTP/1.1\r\n`;
  for (let i = 0; i + 1 < fields.length; i += 2) text += `${fields[i]}: ${fields[i + 1]}\r\n`;
  upstream.write(`${text}\r\n`, 'latin1');
  if (head.length > 0) upstream.write(head);
  splice(browser, upstream);
  splice(upstream, browser);
}

/** Writes what `from` reads to `to`; pauses `from` while more than SPLICE_HIGH_WATER_BYTES wait in `to`. */
function splice(from: Duplex, to: Duplex): void {
  from.on('data', (piece: Buffer) => {
    if (!to.write(piece) && to.writableLength > SPLICE_HIGH_WATER_BYTES) from.pause();
  });
  to.on('drain', () => from.resume());
  from.on('end', () => to.end());
  from.on('error', () => to.destroy());
  from.on('close', () => {
    if (!from.readableEnded || to.writableFinished) return void to.destroy();
    const killer = setTimeout(() => to.destroy(), CLOSING_WAIT_MS).unref();
    to.once('close', () => clearTimeout(killer));
    to.end();
  });
}
