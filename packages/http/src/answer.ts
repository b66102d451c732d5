import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** Answers shorter than this go out as they are. */
export const COMPRESS_FROM_BYTES = 16 * 1024;
const compress = promisify(gzip);

/** Sends `content` as JSON, compressed when it is long and the browser can take it. */
export async function sendAnswer(request: FastifyRequest, reply: FastifyReply, content: unknown): Promise<FastifyReply> {
  const text = JSON.stringify(content);
  reply.type('application/json; charset=utf-8');
  if (text.length < COMPRESS_FROM_BYTES || !/\bgzip\b/.test(request.headers['accept-encoding'] ?? '')) return reply.send(text);
  reply.headers({ 'content-encoding': 'gzip', vary: 'accept-encoding' });
  return reply.send(await compress(text, { level: 1 }));
}
