/** The last member of a backup: the SHA-256 of every member before it. */
import { createHash } from 'node:crypto';
import { CHECKSUMS_PATH } from './member-order.ts';
import { encodeHeader, tarPadding } from './backup-tar.ts';

/** Lines are held together in pieces of this, compactly: a million recordings are some 150 MB of text, and would be three times as much as strings. */
const PIECE_BYTES = 1024 * 1024;

/** Writer and reader make the same list; the reader compares only the digest of it. */
export class ChecksumList {
  readonly #pieces: Buffer[] = [];
  readonly #digest = createHash('sha256');
  #bytes = 0;
  #lines = '';
  readonly #keeps: boolean;

  /** `keeps`: the text itself is wanted, by `member`. */
  constructor({ keeps = true } = {}) {
    this.#keeps = keeps;
  }

  add(sha256: string, path: string): void {
    const line = `${sha256}  ${path}\n`;
    this.#bytes += Buffer.byteLength(line);
    this.#digest.update(line);
    if (!this.#keeps) return;
    this.#lines += line;
    if (this.#lines.length >= PIECE_BYTES) this.#flush();
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Of the whole list; once. */
  digest(): string {
    return this.#digest.digest('hex');
  }

  /** The list as the last member of the tar. */
  *member(modifiedS: number): Generator<Buffer> {
    this.#flush();
    yield encodeHeader({ path: CHECKSUMS_PATH, bytes: this.#bytes, modifiedS });
    yield* this.#pieces;
    const padding = tarPadding(this.#bytes);
    if (padding > 0) yield Buffer.alloc(padding);
  }

  #flush(): void {
    if (this.#lines !== '') this.#pieces.push(Buffer.from(this.#lines));
    this.#lines = '';
  }
}
