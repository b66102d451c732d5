/** The update server over HTTP(S): the repository's files, questions of appliances, download keys, pages. */
import { Readable } from 'node:stream';
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { addressKey } from '@bascule/core/address-key.ts';
import { AppError, notFound } from '@bascule/errors/app-error.ts';
import { sendError, STATUS_OF_KIND, toAppError } from '@bascule/http/error-answer.ts';
import { RateLimit } from '@bascule/http/rate-limit.ts';
import { ANSWER_POLICY, SECURITY_HEADERS } from '@bascule/http/security-headers.ts';
import type { Log } from '@bascule/log/log.ts';
import { QUESTION_LIMIT_CHARACTERS } from '@bascule/package-format/appliance-question.ts';
import { SYSTEM, type Store } from '@bascule/store/store.ts';
import type { Bundles } from './bundles.ts';
import { readKeyText } from './key-form.ts';
import { isPackage, type OfferRules } from './offers.ts';
import { ICON, STYLE } from './page-style.ts';
import { changesPage, keyPage, languageOf, packagesPage, PAGE_POLICY, type Visitor } from './pages.ts';
import type { Registry } from './registry.ts';
import type { Repository } from './repository.ts';
import { RunningDownloads } from './running-downloads.ts';
import * as events from './server-events.ts';
import { addDownload, applianceByAddress } from './server-store.ts';
import { metadataFile, sendFile, targetFile } from './static-files.ts';

/** A download key is a kilobyte; a form around it may be somewhat more. */
const KEY_BODY_MAX_BYTES = 64 * 1024;
/** Without a byte in either direction, a connection ends. */
const SILENCE_TIMEOUT_MS = 60_000;
/** Of the head and body of a request. */
const REQUEST_TIMEOUT_MS = 30_000;
/** Open at once; more are closed again, and the files that are open stay below what a process may have. */
const CONNECTIONS_MAX = 2000;
/** Requests of one address: a client takes some dozen files at a time. */
export const REQUEST_LIMIT = { burst: 600, perSecond: 50 };
/** Requests of one address that make us verify a signature. */
export const SIGNED_LIMIT = { burst: 100, perSecond: 1 };
/** Downloads of one address that the ledger takes; anybody may download, and nobody shall fill the disk with it. What is beyond is a line of the log. */
const NOTED_DOWNLOADS_LIMIT = { burst: 200, perSecond: 1 / 60 };
const ADDRESSES_MAX = 10_000;
/** A download online is put down to the appliance that asked from its address within this time. */
const SAME_ADDRESS_MS = 60 * 60_000;

export interface ServerParts {
  store: Store;
  repository: Repository;
  registry: Registry;
  bundles: Bundles;
  rules: Omit<OfferRules, 'schedule'>;
  /** By which people reach this server; undefined until the port is known. */
  url(): string;
  tls: { cert: Buffer; key: Buffer } | undefined;
  log: Log;
  now: () => number;
}

/** Builds the server; whoever calls it listens. */
export function createUpdateServer(parts: ServerParts): FastifyInstance {
  const { log, now, tls } = parts;
  const options = {
    bodyLimit: KEY_BODY_MAX_BYTES,
    connectionTimeout: SILENCE_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
    exposeHeadRoutes: true,
  };
  const app = tls === undefined ? fastify(options) : (fastify({ ...options, https: tls }) as unknown as FastifyInstance);
  app.server.maxConnections = CONNECTIONS_MAX;
  const limits = {
    any: new RateLimit({ ...REQUEST_LIMIT, keysLimit: ADDRESSES_MAX, now }),
    signed: new RateLimit({ ...SIGNED_LIMIT, keysLimit: ADDRESSES_MAX, now }),
  };
  const take = (limit: RateLimit, request: FastifyRequest): void => {
    const retryAfterSeconds = limit.take(addressKey(request.ip));
    if (retryAfterSeconds > 0) throw tooMany(retryAfterSeconds);
  };
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({ ...SECURITY_HEADERS, 'content-security-policy': ANSWER_POLICY, 'cache-control': 'no-store' });
    take(limits.any, request);
    if (request.method === 'POST') take(limits.signed, request);
  });
  app.setNotFoundHandler((request, reply) => sendError(reply, notFound(), request.id));
  app.setErrorHandler((error, request, reply) => {
    const fault = toAppError(error);
    // Whoever asked has gone in the middle: nobody is to be told, and nobody may fill the log with it.
    if (fault.kind === 'internal' && !reply.raw.destroyed)
      log.error({ err: error, requestId: request.id, url: request.routeOptions.url }, 'http.request-failed');
    if (isForm(request) && fault.kind !== 'internal')
      return sendPage(request, reply, (visitor) => keyPage(visitor, fault), parts, STATUS_OF_KIND[fault.kind]);
    if (fault.retryAfterSeconds !== undefined) reply.header('retry-after', fault.retryAfterSeconds);
    if (request.routeOptions.url !== '/redeem') return sendError(reply, fault, request.id);
    return reply.code(STATUS_OF_KIND[fault.kind]).type('text/plain; charset=utf-8').send(`${fault.message}\n`);
  });
  addPages(app, parts);
  const running = new RunningDownloads();
  addFiles(app, parts, running);
  addSigned(app, parts, running);
  return app;
}

function addPages(app: FastifyInstance, parts: ServerParts): void {
  const { bundles, repository } = parts;
  app.get('/', (request, reply) => sendPage(request, reply, (visitor) => keyPage(visitor), parts));
  app.get('/changes', (request, reply) =>
    sendPage(request, reply, (visitor) => changesPage(visitor, repository.releases().filter(isPackage)), parts),
  );
  app.post('/packages', async (request, reply) => {
    const text = await readKeyText(bodyOf(request), request.headers['content-type']);
    const redemption = bundles.redeem(text);
    return sendPage(request, reply, (visitor) => packagesPage(visitor, redemption, text), parts);
  });
  // Whoever reloads the list, or comes back to it, begins again with a key.
  for (const url of ['/packages', '/redeem']) app.get(url, (_request, reply) => reply.redirect('/', 303));
  const still = (type: string, text: string) => (_request: FastifyRequest, reply: FastifyReply) =>
    reply.header('cache-control', `public, max-age=${STYLE_KEPT_SECONDS}`).type(type).send(text);
  app.get('/style.css', still('text/css; charset=utf-8', STYLE));
  app.get('/icon.svg', still('image/svg+xml', ICON));
}

const STYLE_KEPT_SECONDS = 3600;

function addFiles(app: FastifyInstance, parts: ServerParts, running: RunningDownloads): void {
  const { repository, store, now, log } = parts;
  const noted = new RateLimit({ ...NOTED_DOWNLOADS_LIMIT, keysLimit: ADDRESSES_MAX, now });
  const note = (address: string, target: string, bytes: number, isWhole: boolean): void => {
    if (bytes === 0) return;
    if (noted.take(addressKey(address)) > 0) return log.info({ address, target, bytes }, 'download.not-noted');
    // Named by its address, which is no proof: nothing but this line follows from it.
    const name = applianceByAddress(store, address, now() - SAME_ADDRESS_MS)?.name ?? '';
    const who = { applianceId: null, applianceName: name, address };
    store.transact(SYSTEM, events.downloaded({ name: name === '' ? address : name, target, bytes }), (tx) =>
      addDownload(tx, { atMs: now(), ...who, way: 'mirror', target, bytes, isWhole: isWhole ? 1 : 0 }),
    );
  };
  app.get<{ Params: { name: string } }>('/metadata/:name', (request, reply) =>
    sendFile(request, reply, metadataFile(repository.directory, request.params.name), () => undefined),
  );
  app.get<{ Params: { '*': string } }>('/targets/*', async (request, reply) => {
    const path = request.params['*'];
    const file = targetFile(repository.directory, path);
    running.take(request.ip, reply.raw);
    const target = path.replace(/[0-9a-f]{64}\./, '');
    return sendFile(request, reply, file, (bytes, isWhole) => note(request.ip, target, bytes, isWhole));
  });
}

function addSigned(app: FastifyInstance, parts: ServerParts, running: RunningDownloads): void {
  const { bundles, registry, repository, rules } = parts;
  app.post('/api/question', { bodyLimit: QUESTION_LIMIT_CHARACTERS * 2 }, (request, reply) => {
    const answer = registry.answer(bodyOf(request).toString(), request.ip, repository, rules);
    return reply.send(answer);
  });
  app.post('/redeem', async (request, reply) => {
    const text = await readKeyText(bodyOf(request), request.headers['content-type']);
    const redemption = bundles.redeem(text);
    // Before the file is put together, which takes a while: who goes away meanwhile gives the place back too.
    running.take(request.ip, reply.raw);
    const bundle = await bundles.bundle(redemption, request.ip);
    reply.headers({
      'content-length': bundle.bytes,
      'content-disposition': `attachment; filename="${bundle.fileName}"`,
    });
    return reply.type('application/octet-stream').send(Readable.from(bundle.content(), { objectMode: false }));
  });
}

async function sendPage(
  request: FastifyRequest,
  reply: FastifyReply,
  page: (visitor: Visitor) => string,
  { url, now }: ServerParts,
  status = 200,
): Promise<FastifyReply> {
  const language = languageOf(request.headers['accept-language']);
  reply.headers({ 'content-security-policy': PAGE_POLICY, 'content-language': language, vary: 'accept-language' });
  return reply
    .code(status)
    .type('text/html; charset=utf-8')
    .send(page({ language, url: url(), nowMs: now() }));
}

/** Whether a person in a browser sent one of the page's forms; everybody else gets plain sentences. */
function isForm(request: FastifyRequest): boolean {
  const { url } = request.routeOptions;
  return (url === '/packages' || url === '/redeem') && (request.headers.accept ?? '').includes('text/html');
}

function bodyOf(request: FastifyRequest): Buffer {
  return Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
}

function tooMany(retryAfterSeconds: number): AppError {
  return new AppError(
    'limited',
    'TOO_MANY_REQUESTS',
    `There were too many requests from your address; wait ${retryAfterSeconds} s.`,
    { retryAfterSeconds },
  );
}
