import type { FastifyReply } from 'fastify';
import { SECURITY_HEADERS } from './security-headers.ts';

/** A comment goes out this often, so that proxies and browsers know that the stream lives. */
export const HEARTBEAT_MS = 25_000;
/** A reader that leaves this much unread is cut off; its browser comes back. */
export const UNREAD_LIMIT_BYTES = 64 * 1024;

/** One `text/event-stream` answer. */
export interface EventStream {
  send(event: string, data: unknown): void;
  close(): void;
}

/** Turns `reply` into an event stream; `onHeartbeat` may end it by returning false; `onClose` is called once, whoever closes. */
export function openEventStream(reply: FastifyReply, listeners: { onHeartbeat(): boolean; onClose(): void }): EventStream {
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, {
    ...SECURITY_HEADERS,
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  const write = (text: string): void => {
    if (raw.writableLength > UNREAD_LIMIT_BYTES) raw.destroy();
    else raw.write(text);
  };
  const heartbeat = setInterval(() => {
    if (listeners.onHeartbeat()) write(':\n\n');
    else raw.end();
  }, HEARTBEAT_MS).unref();
  raw.on('error', () => raw.destroy());
  raw.once('close', () => {
    clearInterval(heartbeat);
    listeners.onClose();
  });
  write(':\n\n');
  return {
    send: (event, data) => write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`),
    close: () => void raw.end(),
  };
}
