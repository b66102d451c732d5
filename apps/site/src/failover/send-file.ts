import { createReadStream } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Log } from '@bascule/log/log.ts';

/** Answers with the file of `bytes`, or with what follows the byte that `range` asks for. Resolves when it is sent, or cut. */
export async function sendFile(
  file: string,
  bytes: number,
  request: IncomingMessage,
  response: ServerResponse,
  log: Log,
): Promise<void> {
  const [, fromText] = /^bytes=(\d{1,15})-$/.exec(request.headers.range ?? '') ?? [];
  const from = Number(fromText ?? 0);
  if (from >= bytes) return void response.writeHead(416).end();
  response.writeHead(fromText === undefined ? 200 : 206, {
    'content-length': bytes - from,
    ...(fromText !== undefined && { 'content-range': `bytes ${from}-${bytes - 1}/${bytes}` }),
  });
  try {
    await pipeline(createReadStream(file, { start: from, end: bytes - 1 }), response);
  } catch (error) {
    log.info({ err: error }, 'failover.file-cut');
  }
}
