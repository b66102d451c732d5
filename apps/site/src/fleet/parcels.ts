/** Parcels of client programs and runtimes, as clients fetch them: `files/clients/parcels/<sha256>.parcel`, made when first asked for. */
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { writeClientParcel } from '@bascule/package-format/client-parcel.ts';
import type { Parcel } from '@bascule/protocol/client-program.ts';

/** A client that was told to fetch a parcel does so, or is told anew, within this. */
export const PARCEL_KEPT_MS = 24 * 60 * 60 * 1000;
const NAME = /^([0-9a-f]{64})\.parcel$/;

/** What a parcel is made of; the metadata is that of the moment. */
export interface ParcelSource {
  metadataDir: string;
  target: string;
  /** As the metadata names it. */
  sha256: string;
  file: string;
}

export class Parcels {
  readonly #folder: string;
  readonly #now: () => number;
  /** Every parcel on disk. */
  readonly #files = new Map<string, number>();
  /** Those in use, by target and hash; the same one is made once. */
  #current = new Map<string, Promise<Parcel>>();
  #made = 0;

  private constructor(folder: string, now: () => number) {
    this.#folder = folder;
    this.#now = now;
  }

  /** Opens `folder`, made when missing, and removes what a cut left there. */
  static async open(folder: string, now: () => number = Date.now): Promise<Parcels> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const parcels = new Parcels(folder, now);
    for (const name of await readdir(folder)) {
      const sha256 = NAME.exec(name)?.[1];
      if (sha256 === undefined) await rm(join(folder, name), { force: true });
      else parcels.#files.set(sha256, (await stat(join(folder, name))).size);
    }
    return parcels;
  }

  /** The parcel of `source`, made unless it is there. Throws as `writeClientParcel`; the next call tries again. */
  async of(source: ParcelSource): Promise<Parcel> {
    const key = `${source.target} ${source.sha256}`;
    const there = this.#current.get(key);
    if (there !== undefined) return await there;
    const making = this.#make(source);
    this.#current.set(key, making);
    making.catch(() => {
      if (this.#current.get(key) === making) this.#current.delete(key);
    });
    return await making;
  }

  /** The file of a parcel that a client may fetch. */
  file(sha256: string): { file: string; bytes: number } | undefined {
    const bytes = this.#files.get(sha256);
    return bytes === undefined ? undefined : { file: this.#fileOf(sha256), bytes };
  }

  /** The metadata was renewed: parcels are made anew. The former ones stay for those who are fetching them, and go when nobody can be any more. */
  async renew(): Promise<void> {
    const former = [...this.#current.values()];
    this.#current = new Map();
    const nowSeconds = this.#now() / 1000;
    for (const making of former) {
      const parcel = await making.catch(() => undefined);
      if (parcel) await utimes(this.#fileOf(parcel.sha256), nowSeconds, nowSeconds).catch(() => undefined);
    }
    await this.#removeOld();
  }

  async #make({ metadataDir, target, file }: ParcelSource): Promise<Parcel> {
    const temporary = join(this.#folder, `making-${++this.#made}`);
    const { bytes, sha256 } = await writeClientParcel({ metadataDir, target, file }, temporary);
    await rename(temporary, this.#fileOf(sha256));
    this.#files.set(sha256, bytes);
    return { sha256, bytes };
  }

  async #removeOld(): Promise<void> {
    const used = new Set<string>();
    for (const making of this.#current.values()) {
      const parcel = await making.catch(() => undefined);
      if (parcel) used.add(parcel.sha256);
    }
    for (const sha256 of this.#files.keys()) {
      const file = this.#fileOf(sha256);
      const found = await stat(file).catch(() => undefined);
      if (used.has(sha256) || (found && found.mtimeMs > this.#now() - PARCEL_KEPT_MS)) continue;
      this.#files.delete(sha256);
      await rm(file, { force: true });
    }
  }

  #fileOf(sha256: string): string {
    return join(this.#folder, `${sha256}.parcel`);
  }
}
