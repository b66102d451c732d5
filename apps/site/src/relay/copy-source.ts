import { open, type FileHandle } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '@bascule/log/log.ts';
import { COPY_FILE_PATH, COPY_LIST_PATH, copyFileQuery, type CopyRole, type CopyState } from '@bascule/protocol/pair-data.ts';
import { HASH_BYTES } from '@bascule/recording/format.ts';
import { CopyDoor } from './copy-door.ts';
import { CopyHashes, look, placeOf, walk, type CopyFolders } from './copy-tree.ts';
import { LiveFeed } from './live-feed.ts';
import type { LiveRecordings } from './live-recordings.ts';
import type { PairTls } from './pair-tls.ts';
import { RateQuota } from './rate-quota.ts';

/** Read and given to the connection at a time. */
const READ_BYTES = 1024 * 1024;
/** Pieces of one answer that may wait for the network. */
const READ_AHEAD_PIECES = 2;
const LIST_PIECE_CHARACTERS = 64 * 1024;
/** While live recordings wait for the network a background piece waits too, so often and so long. */
const YIELD_MS = 5;
const YIELDS_MAX = 20;
/** With a limit: what may come at once. */
const BURST_MS = 250;

export interface CopySourceOptions {
  tls: PairTls;
  /** What this side is in the pair: also a follower lets itself be copied from, by a source that lacks recordings. */
  role: CopyRole;
  folders: CopyFolders;
  recordings: LiveRecordings;
  hashes: CopyHashes;
  bytesPerSecond: number;
  /** The follower came, went, or said how far it is. */
  changed(): void;
  log: Log;
}

/** Lets the one peer copy: the live link, and lists and files in the background within the limit. */
export class CopySource {
  readonly #options: CopySourceOptions;
  readonly #door: CopyDoor;
  #quota: RateQuota | undefined;
  #feed: LiveFeed | undefined;
  #state: CopyState | undefined;

  constructor(options: CopySourceOptions) {
    this.#options = options;
    this.setRate(options.bytesPerSecond);
    this.#door = new CopyDoor(options, {
      request: (request, response) => void this.#answer(request, response),
      live: (socket) => {
        this.#feed?.close();
        const feed = new LiveFeed(
          socket,
          options.recordings,
          {
            state: (state) => {
              this.#state = state;
              options.changed();
            },
            closed: () => this.#left(feed),
          },
          options.log,
        );
        this.#feed = feed;
        options.recordings.listen(feed);
        options.log.info({}, 'pair-follower-came');
        options.changed();
      },
    });
  }

  /** A live link is there, and not silent. */
  get isConnected(): boolean {
    return this.#feed !== undefined;
  }

  /** What the follower last said; kept while it is away. */
  get state(): CopyState | undefined {
    return this.#state;
  }

  setRate(bytesPerSecond: number): void {
    this.#quota =
      bytesPerSecond === 0 ? undefined : new RateQuota(bytesPerSecond, Math.ceil((bytesPerSecond * BURST_MS) / 1000), Date.now());
  }

  take(socket: Socket, head: Uint8Array): void {
    this.#door.take(socket, head);
  }

  close(): void {
    this.#feed?.close();
    this.#door.close();
  }

  #left(feed: LiveFeed): void {
    if (feed !== this.#feed) return;
    this.#feed = undefined;
    this.#options.recordings.listen(undefined);
    this.#options.log.info({}, 'pair-follower-left');
    this.#options.changed();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => {});
    try {
      const url = new URL(request.url ?? '', 'https://pair');
      if (request.method === 'GET' && url.pathname === COPY_LIST_PATH) return await this.#list(response);
      if (request.method === 'GET' && url.pathname === COPY_FILE_PATH) return await this.#file(url.searchParams, response);
      refuse(response, 404);
    } catch (error) {
      // Cut in the middle: the follower goes on from what it has.
      this.#options.log.warn({ error: (error as Error).message }, 'pair-copy-failed');
      if (response.headersSent) response.destroy();
      else refuse(response, 500);
    }
  }

  /** Without the recordings that are being written: the live link has those. */
  async #list(response: ServerResponse): Promise<void> {
    const { folders, hashes, recordings } = this.#options;
    let text = '';
    let files = 0;
    for await (const file of walk(folders)) {
      if (file.root === 'recordings' && recordings.get(file.path) !== undefined) continue;
      const listed = await hashes.listed(file);
      if (listed === undefined) continue;
      files += 1;
      text += `${JSON.stringify(listed)}\n`;
      if (text.length < LIST_PIECE_CHARACTERS) continue;
      await written(response, Buffer.from(text));
      text = '';
    }
    response.end(`${text}${JSON.stringify({ files })}\n`);
  }

  async #file(query: URLSearchParams, response: ServerResponse): Promise<void> {
    const { folders } = this.#options;
    const asked = copyFileQuery.safeParse(Object.fromEntries(query));
    const found = asked.success ? await look(folders, asked.data) : undefined;
    if (!asked.success || found === undefined) return refuse(response, 404);
    const { from, after } = asked.data;
    if (from > found.bytes) return refuse(response, 409);
    const handle = await open(placeOf(folders, found), 'r');
    try {
      if (after !== undefined && !(await standsBefore(handle, from, after))) return refuse(response, 409);
      response.writeHead(200, { 'content-length': found.bytes - from });
      await this.#send(handle, { from, to: found.bytes }, response);
      response.end();
    } finally {
      await handle.close();
    }
  }

  /** Big reads, one ahead of what is being sent, none copied. */
  async #send(handle: FileHandle, { from, to }: { from: number; to: number }, response: ServerResponse): Promise<void> {
    const under: { buffer: Buffer; sent: Promise<void> }[] = [];
    for (let at = from; at < to;) {
      const reused = under.length < READ_AHEAD_PIECES ? undefined : under.shift();
      await reused?.sent;
      const buffer = reused?.buffer ?? Buffer.allocUnsafeSlow(READ_BYTES);
      const { bytesRead } = await handle.read(buffer, 0, Math.min(READ_BYTES, to - at), at);
      if (bytesRead === 0) throw new Error('the file has become shorter');
      await this.#turn(bytesRead);
      const sent = written(response, buffer.subarray(0, bytesRead));
      // Looked at when its turn comes, or never when another failed first.
      sent.catch(() => {});
      under.push({ buffer, sent });
      at += bytesRead;
    }
    for (const { sent } of under) await sent;
  }

  /** Waits for the limit, and for what is live. */
  async #turn(bytes: number): Promise<void> {
    const pauseMs = this.#quota?.take(bytes, Date.now()) ?? 0;
    if (pauseMs > 0) await delay(pauseMs);
    for (let yields = 0; yields < YIELDS_MAX && this.#feed?.isBusy === true; yields++) await delay(YIELD_MS);
  }
}

async function standsBefore(handle: FileHandle, position: number, hash: string): Promise<boolean> {
  if (position < HASH_BYTES) return false;
  const found = Buffer.alloc(HASH_BYTES);
  await handle.read(found, 0, HASH_BYTES, position - HASH_BYTES);
  return found.toString('hex') === hash;
}

/** Resolves when `bytes` may be used again. */
function written(response: ServerResponse, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    if (response.destroyed) return reject(new Error('the follower has gone'));
    const onClose = () => reject(new Error('the follower has gone'));
    response.once('close', onClose);
    response.write(bytes, (error) => {
      response.off('close', onClose);
      if (error) reject(error);
      else resolve();
    });
  });
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-length': 0 }).end();
}
