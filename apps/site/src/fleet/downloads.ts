import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Log } from '@bascule/log/log.ts';
import { BLOCK_BYTES, BlockCache } from './block-cache.ts';
import { Pacing, SLICE_MS, type PacedTransfer } from './pacing.ts';

/** Downloads at one time; beyond it a client is told to come back. */
export const DOWNLOADS_MAX = 10_000;
/** Requests of one client in a minute; a flood finds nothing. */
export const REQUESTS_PER_MINUTE = 60;
const REQUEST_WINDOW_MS = 60_000;
/** A client that takes nothing for so long is cut off: it comes back with `Range`. */
export const STALLED_LIMIT_MS = 60_000;
const RETRY_AFTER_S = 10;
const CHECK_MS = 1000;
const PARCEL_URL = /^\/parcels\/([0-9a-f]{64})$/;

export interface DownloadsOptions {
  /** Whether the client has a live order for exactly this parcel. */
  mayFetch(clientId: string, sha256: string): boolean;
  /** Whether that can be told yet; before, clients that go on after a restart are told to come again. */
  isReady(): boolean;
  file(sha256: string): { file: string; bytes: number } | undefined;
  bytesPerSecond: number | null;
  /** Bytes that left. */
  sent(bytes: number): void;
  /** The client is not silent: it takes bytes, or waits for its turn. Called about once a second. */
  progress(clientId: string): void;
  log: Log;
}

/** Serves parcels to clients, all within one bandwidth (B31). */
export class Downloads {
  readonly #options: DownloadsOptions;
  readonly #blocks = new BlockCache();
  readonly #pacing: Pacing;
  readonly #transfers = new Map<string, Transfer>();
  readonly #requests = new Map<string, number>();
  #windowAtMs = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #check: NodeJS.Timeout;

  constructor(options: DownloadsOptions) {
    this.#options = options;
    this.#pacing = new Pacing(options.bytesPerSecond, performance.now());
    this.#check = setInterval(() => this.#checkAll(), CHECK_MS).unref();
  }

  get size(): number {
    return this.#transfers.size;
  }

  setLimit(bytesPerSecond: number | null): void {
    this.#pacing.setLimit(bytesPerSecond, performance.now());
    this.#pump();
  }

  /** A request over the client's own mutual TLS. What is not exactly a parcel that it was ordered to fetch does not exist. */
  serve(clientId: string, request: IncomingMessage, response: ServerResponse): void {
    const sha256 = PARCEL_URL.exec(request.url ?? '')?.[1];
    if (sha256 !== undefined && !this.#options.isReady()) return refuse(response, 503, { 'retry-after': RETRY_AFTER_S });
    const isWithin = this.#count(clientId);
    const file =
      sha256 !== undefined && isWithin && this.#options.mayFetch(clientId, sha256) ? this.#options.file(sha256) : undefined;
    if (request.method !== 'GET' || file === undefined) return refuse(response, 404);
    // The newer one: the client has lost the other connection, and we have not noticed.
    this.stop(clientId);
    if (this.#transfers.size >= DOWNLOADS_MAX) return refuse(response, 503, { 'retry-after': RETRY_AFTER_S });
    const range = parseRange(request.headers.range, file.bytes);
    if (range === undefined) return refuse(response, 416, { 'content-range': `bytes */${file.bytes}` });
    response.writeHead(range.isPart ? 206 : 200, {
      'content-type': 'application/octet-stream',
      'content-length': range.end - range.start,
      'accept-ranges': 'bytes',
      etag: `"${sha256}"`,
      connection: 'close',
      ...(range.isPart && { 'content-range': `bytes ${range.start}-${range.end - 1}/${file.bytes}` }),
    });
    this.#begin(
      clientId,
      response,
      new Transfer({ clientId, response, file: file.file, ...range, blocks: this.#blocks, owner: this.#owner }),
    );
  }

  /** Cuts the client's download off, if it has one. */
  stop(clientId: string): void {
    const transfer = this.#transfers.get(clientId);
    if (transfer === undefined) return;
    this.#end(transfer);
    transfer.response.destroy();
  }

  close(): void {
    clearInterval(this.#check);
    clearTimeout(this.#timer);
    for (const clientId of this.#transfers.keys()) this.stop(clientId);
  }

  readonly #owner = {
    sent: (bytes: number) => this.#options.sent(bytes),
    ready: (transfer: Transfer) => {
      if (this.#transfers.get(transfer.clientId) !== transfer) return;
      this.#pacing.ready(transfer);
      this.#pump();
    },
    failed: (transfer: Transfer, error: unknown) => {
      this.#options.log.warn({ err: error, client: transfer.clientId }, 'fleet.parcel-unreadable');
      this.stop(transfer.clientId);
    },
  };

  #begin(clientId: string, response: ServerResponse, transfer: Transfer): void {
    this.#transfers.set(clientId, transfer);
    response.once('close', () => this.#end(transfer));
    response.on('drain', () => this.#owner.ready(transfer));
    response.on('error', () => response.destroy());
    this.#pacing.ready(transfer, true);
    this.#pump();
  }

  #end(transfer: Transfer): void {
    this.#pacing.remove(transfer);
    if (this.#transfers.get(transfer.clientId) === transfer) this.#transfers.delete(transfer.clientId);
  }

  #pump(): void {
    if (this.#timer !== undefined) return;
    const waitMs = this.#pacing.pump(performance.now());
    if (waitMs === undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#pump();
    }, SLICE_MS).unref();
  }

  #checkAll(): void {
    const nowMs = performance.now();
    for (const transfer of this.#transfers.values()) {
      if (this.#pacing.isWaiting(transfer)) transfer.movedAtMs = nowMs;
      if (nowMs - transfer.movedAtMs > STALLED_LIMIT_MS) this.stop(transfer.clientId);
      else if (nowMs - transfer.movedAtMs < CHECK_MS * 2) this.#options.progress(transfer.clientId);
    }
  }

  #count(clientId: string): boolean {
    const nowMs = performance.now();
    if (nowMs - this.#windowAtMs > REQUEST_WINDOW_MS) {
      this.#windowAtMs = nowMs;
      this.#requests.clear();
    }
    const count = (this.#requests.get(clientId) ?? 0) + 1;
    this.#requests.set(clientId, count);
    return count <= REQUESTS_PER_MINUTE;
  }
}

interface TransferOwner {
  sent(bytes: number): void;
  ready(transfer: Transfer): void;
  failed(transfer: Transfer, error: unknown): void;
}

/** One parcel on its way to one client. */
class Transfer implements PacedTransfer {
  readonly clientId: string;
  readonly response: ServerResponse;
  movedAtMs = performance.now();
  readonly #file: string;
  readonly #end: number;
  readonly #blocks: BlockCache;
  readonly #owner: TransferOwner;
  #at: number;

  constructor(options: {
    clientId: string;
    response: ServerResponse;
    file: string;
    start: number;
    end: number;
    blocks: BlockCache;
    owner: TransferOwner;
  }) {
    this.clientId = options.clientId;
    this.response = options.response;
    this.#file = options.file;
    this.#at = options.start;
    this.#end = options.end;
    this.#blocks = options.blocks;
    this.#owner = options.owner;
  }

  get left(): number {
    return this.#end - this.#at;
  }

  write(bytes: number): { bytes: number; canGoOn: boolean } {
    const index = Math.floor(this.#at / BLOCK_BYTES);
    const block = this.#blocks.at(this.#file, index);
    if (block === undefined) {
      this.#load(index);
      return { bytes: 0, canGoOn: false };
    }
    const from = this.#at - index * BLOCK_BYTES;
    const piece = block.subarray(from, Math.min(block.length, from + Math.min(bytes, this.left)));
    if (piece.length === 0) {
      this.#owner.failed(this, new Error('the parcel is shorter than it was'));
      return { bytes: 0, canGoOn: false };
    }
    this.#at += piece.length;
    this.movedAtMs = performance.now();
    this.#owner.sent(piece.length);
    const canGoOn = this.response.write(piece);
    if (this.left === 0) this.response.end();
    return { bytes: piece.length, canGoOn };
  }

  #load(index: number): void {
    this.#blocks.load(this.#file, index).then(
      () => this.#owner.ready(this),
      (error: unknown) => this.#owner.failed(this, error),
    );
  }
}

function refuse(response: ServerResponse, status: number, headers: Record<string, string | number> = {}): void {
  response.writeHead(status, { ...headers, connection: 'close', 'content-length': 0 }).end();
}

/** One range from a start: what a client that goes on asks for. Undefined: none that can be served. */
export function parseRange(text: string | undefined, bytes: number): { start: number; end: number; isPart: boolean } | undefined {
  if (text === undefined) return { start: 0, end: bytes, isPart: false };
  const match = /^bytes=(\d{1,15})-(\d{1,15})?$/.exec(text);
  if (match === null) return undefined;
  const start = Number(match[1]);
  const end = match[2] === undefined ? bytes : Math.min(bytes, Number(match[2]) + 1);
  return start < end ? { start, end, isPart: true } : undefined;
}
