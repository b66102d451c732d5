import type { Socket } from 'node:net';
import { PAIR_SILENCE_LIMIT_MS } from '@bascule/protocol/pair-link.ts';
import type { LinkSocket } from '@bascule/wire/web-socket.ts';

/** Something is said each third of the limit, and as often the other side's bytes are looked at. */
const LOOKS = 3;

/**
 * Drops `link` when nothing was heard on it for `limitMs`, and says something (a ping) each third of that. Bytes count, not messages: one large entry may take
 * longer than the limit. Own pauses do not count: time is counted in looks, so that a process that was stopped first reads what came meanwhile.
 */
export function watchSilence(link: LinkSocket, socket: Socket, limitMs = PAIR_SILENCE_LIMIT_MS): void {
  let heardBytes = socket.bytesRead;
  let silentLooks = 0;
  const timer = setInterval(() => {
    if (socket.bytesRead !== heardBytes || link.isPaused) silentLooks = 0;
    else if (++silentLooks >= LOOKS) return link.terminate();
    heardBytes = socket.bytesRead;
    if (link.readyState === link.OPEN) link.ping();
  }, limitMs / LOOKS);
  timer.unref();
  link.once('close', () => clearInterval(timer));
}
