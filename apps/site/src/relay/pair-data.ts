import { existsSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileDurablySync } from '@bascule/core/durable-file.ts';
import type { Log } from '@bascule/log/log.ts';
import type { FromRelay, ToRelay } from '@bascule/protocol/relay-control.ts';
import type { CopyRole } from '@bascule/protocol/pair-data.ts';
import { instantMs } from '@bascule/protocol/text.ts';
import { CopyFollower } from './copy-follower.ts';
import { CopySource } from './copy-source.ts';
import { CopyUnion } from './copy-union.ts';
import { CopyStore } from './copy-store.ts';
import { CopyHashes, type CopyFolders } from './copy-tree.ts';
import { LiveRecordings } from './live-recordings.ts';
import type { PairTls } from './pair-tls.ts';

const TELL_EVERY_MS = 1000;
/** Sessions of before a take-over were dated by the other appliance's clock. */
const CLOCK_TOLERANCE_MS = 10 * 60_000;

export type PairOrder = Extract<ToRelay, { kind: 'pair' }>;
/** Which disks a byte of output must be on before a client may forget it. */
export type PairWaits = 'none' | 'async' | 'sync';

export interface PairDataOptions {
  folders: CopyFolders;
  /** The site's directory. */
  site: string;
  checkGeneration(): void;
  reserveBytes(): number;
  freeBytes?: (() => Promise<number>) | undefined;
  emit(message: FromRelay): void;
  /** Bytes of live sessions that are only here, and that no client still holds. */
  exposedBytes(): number;
  /** `waits` or the follower's being there changed. */
  changed(): void;
  log: Log;
}

/** In the recordings' folder: since when recordings that are written here may have been begun by the other appliance. */
const noteSchema = z.object({ isFollowing: z.boolean(), tookOverAtMs: instantMs.nullable() });

/** What this relay is in the pair, by main's orders: the source that is copied from, the follower that copies, or neither. */
export class PairData {
  readonly recordings = new LiveRecordings();
  readonly #options: PairDataOptions;
  readonly #hashes: CopyHashes;
  readonly #noteFile: string;
  readonly #timer: NodeJS.Timeout;
  #note: z.infer<typeof noteSchema>;
  #order: PairOrder = { kind: 'pair', role: 'none' };
  #source: CopySource | undefined;
  #follower: CopyFollower | undefined;
  #union: CopyUnion | undefined;
  #turn: Promise<void> = Promise.resolve();

  constructor(options: PairDataOptions) {
    this.#options = options;
    this.#hashes = new CopyHashes(options.folders);
    this.#noteFile = join(options.folders.recordings, 'pair.json');
    this.#note = readNote(this.#noteFile);
    this.#timer = setInterval(() => this.tell(), TELL_EVERY_MS);
  }

  get isFollower(): boolean {
    return this.#order.role === 'follower';
  }

  /** Sessions go on at the other side: what it has not got their clients keep. */
  get hasLetGo(): boolean {
    return this.isFollower || this.#order.isServing === false;
  }

  get waits(): PairWaits {
    if (this.hasLetGo) return 'sync';
    return this.#order.role === 'source' ? (this.#order.mode ?? 'async') : 'none';
  }

  /** The follower is there, and takes what it is sent. */
  get hasFollower(): boolean {
    return this.#order.role === 'source' && this.#source?.isConnected === true && this.#source.state?.stopped === undefined;
  }

  /** Resolves when what was ordered so far is so: a follower that is to be none writes nothing any more. */
  settled(): Promise<void> {
    return this.#turn;
  }

  /** Whether a session that began at `startedAtMs` was recorded by the other appliance first: then its recording may lack what that had. */
  mayLack(startedAtMs: number): boolean {
    return this.#note.tookOverAtMs !== null && startedAtMs <= this.#note.tookOverAtMs + CLOCK_TOLERANCE_MS;
  }

  /** Does what main orders; the same again only looks for what is missing. */
  order(order: PairOrder): void {
    const before = this.#order;
    this.#order = order;
    const isSame = relationOf(before) === relationOf(order);
    this.#turn = this.#turn
      .then(() => this.#apply(order, isSame))
      // Whoever ordered it waits for what comes of it (relay-settling).
      .then(() => this.tell())
      .catch((error: unknown) => this.#failed(error));
    this.#options.changed();
  }

  /** A connection of the pair's data link, unopened. */
  take(socket: Socket, head: Uint8Array): void {
    if (this.#source === undefined) socket.destroy();
    else this.#source.take(socket, head);
  }

  tell(): void {
    if (this.#order.role === 'none') return;
    const { emit, exposedBytes } = this.#options;
    const isSource = this.#order.role === 'source';
    const side = isSource ? this.#source : this.#follower;
    const state = side?.state;
    emit({
      kind: 'pair-copy',
      connected: side?.isConnected ?? false,
      recordingBytesLeft: (state?.recordingBytesLeft ?? 0) + (isSource ? this.recordings.bytesLeft : 0),
      fileBytesLeft: state?.fileBytesLeft ?? 0,
      bytesPerSecond: state?.bytesPerSecond ?? 0,
      completedAtMs: state?.completedAtMs ?? null,
      exposedBytes: isSource ? exposedBytes() : 0,
      waits: this.waits,
      ...(state?.stopped !== undefined && { stopped: state.stopped }),
    });
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#source?.close();
    await this.#turn;
    await this.#follower?.close();
    await this.#union?.close();
  }

  async #apply(order: PairOrder, isSame: boolean): Promise<void> {
    if (order.role === 'follower') this.#noteRole(true);
    if (isSame) {
      if (order.role !== 'follower') this.#noteRole(false);
      this.#source?.setRate(order.bytesPerSecond ?? 0);
      this.#follower?.lookAgain();
      this.#union?.lookAgain();
      return;
    }
    this.#source?.close();
    this.#source = undefined;
    await this.#follower?.close();
    this.#follower = undefined;
    await this.#union?.close();
    this.#union = undefined;
    if (order.role !== 'follower') this.#noteRole(false);
    const { key, certificate, peerKeySha256, peer } = order;
    if (order.role === 'none' || key === undefined || certificate === undefined || peerKeySha256 === undefined) return;
    const tls = { key, certificate, peerKeySha256 };
    // The follower lets itself be copied from too: it may have recordings that the source lacks (B136).
    this.#source = this.#newSource(tls, order.role, order.bytesPerSecond ?? 0);
    if (order.role === 'follower' && peer !== undefined) this.#follower = this.#newFollower(tls, peer);
    if (order.role === 'source' && peer !== undefined) this.#union = this.#newUnion(tls, peer);
    this.#options.changed();
  }

  #newSource(tls: PairTls, role: CopyRole, bytesPerSecond: number): CopySource {
    const { folders, log, changed } = this.#options;
    const { recordings } = this;
    return new CopySource({
      tls,
      role,
      folders,
      recordings,
      hashes: this.#hashes,
      bytesPerSecond,
      changed: () => {
        changed();
        this.tell();
      },
      log,
    });
  }

  #newUnion(tls: PairTls, peer: { host: string; port: number }): CopyUnion {
    return new CopyUnion({ tls, peer, ...this.#places() });
  }

  #newFollower(tls: PairTls, peer: { host: string; port: number }): CopyFollower {
    const places = this.#places();
    return new CopyFollower({ tls, peer, store: new CopyStore(places), changed: () => this.tell(), log: places.log });
  }

  /** Where what comes is kept, and what is in its way. */
  #places() {
    const { folders, site, checkGeneration, reserveBytes, freeBytes, log } = this.#options;
    const [incoming, archive] = [join(site, 'incoming'), join(site, 'archive')];
    return { folders, incoming, archive, checkGeneration, reserveBytes, freeBytes, log };
  }

  /** Durable before anything is copied, or recorded, in the new role. */
  #noteRole(isFollowing: boolean): void {
    const { isFollowing: wasFollowing, tookOverAtMs } = this.#note;
    if (wasFollowing === isFollowing) return;
    this.#note = { isFollowing, tookOverAtMs: isFollowing ? tookOverAtMs : Date.now() };
    writeFileDurablySync(this.#noteFile, `${JSON.stringify(this.#note)}\n`);
  }

  #failed(error: unknown): void {
    this.#options.log.error({ error: (error as Error).message }, 'pair-data-order-failed');
  }
}

/** All but what can change while the role goes on; the certificate is another one at each start of main, for the same key. */
function relationOf({ role, key, peerKeySha256, peer }: PairOrder): string {
  return JSON.stringify([role, key, peerKeySha256, peer]);
}

function readNote(file: string): z.infer<typeof noteSchema> {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : 'null';
  return noteSchema.catch({ isFollowing: false, tookOverAtMs: null }).parse(parsed(text));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
