import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';

/**
 * Makes `app` await `beforeReply` before it answers a request that may have changed something: no reading one, no stream, none that `isMeant` denies. When it rejects, the answer is
 * that error, without the login cookie that a handler had set.
 */
export function awaitBeforeReplies(
  app: FastifyInstance,
  beforeReply: () => Promise<void>,
  isMeant: (request: FastifyRequest) => boolean,
): void {
  // Once a request: the answer that tells of a refusal is not held up itself.
  const awaited = new WeakSet<FastifyRequest>();
  app.addHook('onSend', async (request, reply, payload) => {
    const isReading = request.method === 'GET' || request.method === 'HEAD';
    if (isReading || payload instanceof Readable || awaited.has(request) || !isMeant(request)) return;
    awaited.add(request);
    try {
      await beforeReply();
    } catch (error) {
      reply.removeHeader('set-cookie');
      throw error;
    }
  });
}
