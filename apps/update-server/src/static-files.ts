/** Files of the repository over HTTP: HEAD, one range, strong tags, and how long they may be kept. A plain web server does as well. */
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { notFound } from '@bascule/errors/app-error.ts';

/** Names that a repository can hold; nothing in them leads out of it. */
const METADATA_NAME = /^(\d{1,9}\.)?[a-z][a-z0-9-]{0,63}\.json$/;
const TARGET_PATH = /^([a-z][a-z0-9-]{0,63}\/)?[0-9a-f]{64}\.[A-Za-z0-9][A-Za-z0-9._-]{0,160}$/;
const READ_PIECE_BYTES = 256 * 1024;
const ONE_YEAR_SECONDS = 31_536_000;

/** The file below metadata/, by its name. Versions never change; what has no version is asked for each time. */
export function metadataFile(directory: string, name: string): { path: string; cacheControl: string } {
  if (!METADATA_NAME.test(name)) throw notFound();
  const isVersioned = /^\d/.test(name);
  return { path: join(directory, 'metadata', name), cacheControl: isVersioned ? forever() : 'no-cache' };
}

/** The file below targets/, whose name begins with its hash. */
export function targetFile(directory: string, path: string): { path: string; cacheControl: string } {
  if (!TARGET_PATH.test(path)) throw notFound();
  return { path: join(directory, 'targets', path), cacheControl: forever() };
}

function forever(): string {
  return `public, max-age=${ONE_YEAR_SECONDS}, immutable`;
}

/** Answers with the file, or the part that was asked for. `sent` is told, once, how many bytes went out and whether that was the whole file. */
export async function sendFile(
  request: FastifyRequest,
  reply: FastifyReply,
  file: { path: string; cacheControl: string },
  sent: (bytes: number, isWhole: boolean) => void,
): Promise<FastifyReply> {
  const handle = await open(file.path).catch(() => {
    throw notFound();
  });
  try {
    const { size, mtimeMs, ino } = await regularFile(handle);
    const tag = `"${ino.toString(36)}-${Math.trunc(mtimeMs).toString(36)}-${size.toString(36)}"`;
    reply.headers({ 'accept-ranges': 'bytes', etag: tag, 'cache-control': file.cacheControl });
    reply.type(file.path.endsWith('.json') ? 'application/json' : 'application/octet-stream');
    if (request.headers['if-none-match'] === tag) {
      await handle.close();
      return await reply.code(304).send();
    }
    const ifRange = request.headers['if-range'];
    const range = ifRange === undefined || ifRange === tag ? rangeOf(request.headers.range, size) : undefined;
    if (range === 'unsatisfiable') {
      await handle.close();
      return await reply.code(416).header('content-range', `bytes */${size}`).send();
    }
    const { from, to } = range ?? { from: 0, to: size - 1 };
    if (range !== undefined) reply.code(206).header('content-range', `bytes ${from}-${to}/${size}`);
    reply.header('content-length', to - from + 1);
    if (request.method === 'HEAD') {
      await handle.close();
      // Fastify would announce the length of the body that is not sent.
      reply.hijack().raw.writeHead(reply.statusCode, reply.getHeaders()).end();
      return reply;
    }
    const pieces = Readable.from(
      piecesOf(handle, from, to, (bytes) => sent(bytes, bytes === size)),
      { objectMode: false },
    );
    // A generator that was never begun closes nothing: whoever asked may have gone already.
    pieces.once('close', () => void handle.close().catch(() => undefined));
    return await reply.send(pieces);
  } catch (error) {
    await handle.close().catch(() => undefined);
    throw error;
  }
}

async function regularFile(handle: FileHandle): Promise<{ size: number; mtimeMs: number; ino: number }> {
  const found = await handle.stat();
  if (!found.isFile()) throw notFound();
  return found;
}

/** One range of RFC 9110, 14.1.2; several at once are answered with the whole file. */
function rangeOf(header: string | undefined, size: number): { from: number; to: number } | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '');
  if (match === null) return undefined;
  const [, first = '', last = ''] = match;
  if (first === '' && last === '') return undefined;
  const from = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const to = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  return from > to || from >= size ? 'unsatisfiable' : { from, to };
}

/** The bytes of the file; closes it and tells `ended` how many were taken, also when the receiver goes away. */
async function* piecesOf(
  handle: FileHandle,
  from: number,
  to: number,
  ended: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let at = from;
  try {
    while (at <= to) {
      const length = Math.min(READ_PIECE_BYTES, to + 1 - at);
      const { bytesRead, buffer } = await handle.read(new Uint8Array(length), 0, length, at);
      // The length that was announced does not come any more: the connection must end.
      if (bytesRead === 0) throw new Error('the file became shorter while it was sent');
      yield buffer.subarray(0, bytesRead);
      at += bytesRead;
    }
  } finally {
    await handle.close();
    ended(at - from);
  }
}
