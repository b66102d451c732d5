import type { WebSocket } from 'ws';

const PING_EVERY_MS = 1000;
const SILENCE_LIMIT_MS = 4000;

/** Where another appliance may take the place of the one that falls silent, a viewer link that is dead without a word is given up in seconds. */
export function giveUpWhenSilent(socket: WebSocket): void {
  let heardAtMs = performance.now();
  let beatAtMs = heardAtMs;
  const heard = () => (heardAtMs = performance.now());
  for (const sign of ['message', 'ping', 'pong', 'open'] as const) socket.on(sign, heard);
  const timer = setInterval(() => {
    const nowMs = performance.now();
    // The console itself was stopped, or the machine slept.
    if (nowMs - beatAtMs > SILENCE_LIMIT_MS / 2) heard();
    beatAtMs = nowMs;
    if (nowMs - heardAtMs > SILENCE_LIMIT_MS) socket.terminate();
    else if (socket.readyState === socket.OPEN) socket.ping();
  }, PING_EVERY_MS);
  timer.unref();
  socket.on('close', () => clearInterval(timer));
}
