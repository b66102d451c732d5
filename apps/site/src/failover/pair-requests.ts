/** What the peer may ask over the pair link (docs/spec/pair.md, 3 to 6), beside establishing and following: a closed list, each question and answer with its schema. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { z, ZodType } from 'zod';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import { witnessRequest } from '@bascule/protocol/api/failover.ts';
import { boxQuestion, type BoxAnswer, type BoxQuestion } from '@bascule/protocol/api/plans.ts';
import {
  PAIR_MESSAGE_MAX_BYTES,
  roleOrder,
  type PairStateAnswer,
  type RoleAnswer,
  type RoleOrder,
} from '@bascule/protocol/pair-link.ts';
import { rehearsalOrder, type RehearsalAnswer, type RehearsalOrder } from '@bascule/protocol/rehearsal.ts';
import type { Store } from '@bascule/store/store.ts';
import { noCopyYet } from './failover-errors.ts';
import type { PairDone } from './pair-orders.ts';
import { changesOf, changesQuestion, entriesQuestion, hasEntries } from './side-changes.ts';
import { snapshotRequest, type Snapshots } from './snapshots.ts';

/** POST `/work/<kind>`. */
export const WORK_KINDS = ['pull', 'compare', 'establish-again', 'rehearse'] as const;
export type WorkKind = (typeof WORK_KINDS)[number];

export interface PairRequestsOptions {
  state(): Promise<PairStateAnswer>;
  role(order: RoleOrder): Promise<RoleAnswer>;
  box(question: BoxQuestion): Promise<BoxAnswer>;
  store(): Store | undefined;
  snapshots: Snapshots;
  archives: { serve(id: string, request: IncomingMessage, response: ServerResponse): void; taken(id: string): void };
  /** The site keys, for a backup that has older ones. */
  keys(): Promise<unknown>;
  /** A person enrolled the other side at a witness: this one enrols too. */
  witness(request: z.infer<typeof witnessRequest>): Promise<void>;
  /** Work that the other side's plan wants done here; begun once, and asked for until it is done. */
  work(kind: WorkKind): Promise<PairDone>;
  /** Of a test of the standby. Never rejects. */
  rehearsal(order: RehearsalOrder): Promise<RehearsalAnswer>;
  /** Whether the word of the peer counts: not any more when the relationship was broken for good. */
  trustsPeer(): boolean;
  log: Log;
}

/** What a peer may ask whose word does not count: how this side is, and orders, of which it heeds those that such a one may give. */
const FOR_ALL = new Set(['GET /state', 'POST /role']);

type Handler = (request: IncomingMessage, response: ServerResponse, id: string) => Promise<void>;

export class PairRequests {
  readonly #options: PairRequestsOptions;
  readonly #handlers: [method: string, pattern: RegExp, handler: Handler][];

  constructor(options: PairRequestsOptions) {
    this.#options = options;
    this.#handlers = [
      ['GET', /^\/state$/, (_request, response) => this.#say(response, options.state())],
      ['POST', /^\/role$/, async (request, response) => this.#say(response, options.role(await readBody(request, roleOrder)))],
      ['POST', /^\/box$/, async (request, response) => this.#say(response, options.box(await readBody(request, boxQuestion)))],
      ['GET', /^\/keys$/, (_request, response) => this.#say(response, options.keys())],
      ['POST', /^\/work\/([a-z-]{1,20})$/, (_request, response, kind) => this.#work(response, kind)],
      ['POST', /^\/rehearsal$/, (request, response) => this.#rehearsal(request, response)],
      ['POST', /^\/witness$/, (request, response) => this.#witness(request, response)],
      ['POST', /^\/snapshot$/, (request, response) => this.#snapshot(request, response)],
      ['GET', /^\/snapshot\/([0-9a-f-]{36})$/, async (request, response, id) => options.snapshots.serve(id, request, response)],
      ['POST', /^\/entries$/, (request, response) => this.#entries(request, response)],
      ['POST', /^\/changes$/, (request, response) => this.#changes(request, response)],
      ['GET', /^\/archives\/([0-9a-f-]{36})$/, async (request, response, id) => options.archives.serve(id, request, response)],
      ['POST', /^\/archives\/([0-9a-f-]{36})\/taken$/, (_request, response, id) => this.#taken(response, id)],
    ];
  }

  /** Answers a request of the peer. */
  handle(request: IncomingMessage, response: ServerResponse): void {
    for (const [method, pattern, handler] of this.#handlers) {
      const match = request.method === method ? pattern.exec(request.url ?? '') : null;
      if (match === null) continue;
      if (!this.#options.trustsPeer() && !FOR_ALL.has(`${method} ${request.url}`)) {
        response.writeHead(403, { connection: 'close' }).end();
        return;
      }
      handler(request, response, match[1] ?? '').catch((error: unknown) => this.#fail(response, error));
      return;
    }
    response.writeHead(404, { connection: 'close' }).end();
  }

  async #witness(request: IncomingMessage, response: ServerResponse): Promise<void> {
    await this.#options.witness(await readBody(request, witnessRequest));
    await this.#say(response, Promise.resolve({ ok: true }));
  }

  async #rehearsal(request: IncomingMessage, response: ServerResponse): Promise<void> {
    await this.#say(response, this.#options.rehearsal(await readBody(request, rehearsalOrder)));
  }

  async #work(response: ServerResponse, name: string): Promise<void> {
    const kind = WORK_KINDS.find((one) => one === name);
    if (kind === undefined) return void response.writeHead(404).end();
    await this.#say(response, this.#options.work(kind));
  }

  async #snapshot(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { keep } = await readBody(request, snapshotRequest);
    // What reads a large database takes longer than a request may be silent.
    request.socket.setTimeout(0);
    await this.#say(response, this.#options.snapshots.prepare(this.#store(), keep));
  }

  async #entries(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { points } = await readBody(request, entriesQuestion);
    await this.#say(response, Promise.resolve({ has: hasEntries(this.#store(), points) }));
  }

  async #changes(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { seq } = await readBody(request, changesQuestion);
    await this.#say(response, Promise.resolve(changesOf(this.#store(), seq)));
  }

  async #taken(response: ServerResponse, id: string): Promise<void> {
    this.#options.archives.taken(id);
    await this.#say(response, Promise.resolve({ ok: true }));
  }

  #store(): Store {
    const store = this.#options.store();
    if (store === undefined) throw noCopyYet();
    return store;
  }

  async #say(response: ServerResponse, answer: Promise<unknown>): Promise<void> {
    const text = JSON.stringify(await answer);
    response.writeHead(200, { 'content-type': 'application/json' }).end(text);
  }

  #fail(response: ServerResponse, error: unknown): void {
    if (!(error instanceof AppError)) this.#options.log.error({ err: error }, 'failover.request-failed');
    if (response.headersSent) return void response.destroy();
    const code = error instanceof AppError ? error.code : 'FAILED';
    response
      .writeHead(error instanceof AppError ? 409 : 500, { 'content-type': 'application/json' })
      .end(JSON.stringify({ code }));
  }
}

async function readBody<T>(request: IncomingMessage, schema: ZodType<T>): Promise<T> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > PAIR_MESSAGE_MAX_BYTES) throw new AppError('too-large', 'PAIR_QUESTION_TOO_LARGE', 'The question is too large.');
    pieces.push(piece);
  }
  const parsed = schema.safeParse(parseJson(Buffer.concat(pieces).toString('utf8')));
  if (parsed.success) return parsed.data;
  throw new AppError('invalid', 'PAIR_QUESTION_INVALID', 'The question is none that this version knows.');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
