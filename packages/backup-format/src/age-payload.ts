/** The payload of an age file: STREAM, ChaCha20-Poly1305 in chunks of 64 KiB (age-encryption.org/v1, "Payload"), by Node's own cipher: twelve times as fast as the library's (decision 0280). */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { damaged, truncated } from './backup-faults.ts';

const CHUNK_BYTES = 64 * 1024;
const TAG_BYTES = 16;
const SEALED_BYTES = CHUNK_BYTES + TAG_BYTES;
const NONCE_BYTES = 16;
const CHUNK_NONCE_BYTES = 12;
const KEY_BYTES = 32;

/** Encrypts what `source` gives with the key of the file; what comes out follows the header. */
export async function* sealPayload(source: AsyncIterable<Uint8Array>, fileKey: Buffer): AsyncGenerator<Buffer> {
  const nonce = randomBytes(NONCE_BYTES);
  yield nonce;
  const seal = new Chunks(fileKey, nonce);
  const chunks = inChunks(source, CHUNK_BYTES);
  let held = (await chunks.next()).value ?? Buffer.alloc(0);
  for await (const chunk of chunks) {
    yield seal.encrypt(held, false);
    held = chunk;
  }
  yield seal.encrypt(held, true);
}

/** Decrypts what `source` gives after the header. Throws `BACKUP_TRUNCATED` and `BACKUP_DAMAGED`: no byte comes out that was not authenticated. */
export async function* openPayload(source: AsyncIterable<Uint8Array>, fileKey: Buffer): AsyncGenerator<Buffer> {
  let open: Chunks | undefined;
  let held: Buffer | undefined;
  let isFirst = true;
  for await (const piece of inChunks(source, SEALED_BYTES, NONCE_BYTES)) {
    if (open === undefined) {
      if (piece.length < NONCE_BYTES) throw truncated();
      open = new Chunks(fileKey, piece);
      continue;
    }
    if (held !== undefined) {
      yield open.decrypt(held, false);
      isFirst = false;
    }
    held = piece;
  }
  if (open === undefined || held === undefined || held.length < TAG_BYTES) throw truncated();
  const last = open.decrypt(held, true);
  if (last.length === 0 && !isFirst) throw damaged('its last piece is empty');
  yield last;
}

/** Pieces of exactly `bytes` (the first of `first`), the last with what is left. */
async function* inChunks(source: AsyncIterable<Uint8Array>, bytes: number, first = bytes): AsyncGenerator<Buffer> {
  let wanted = first;
  let pieces: Uint8Array[] = [];
  let held = 0;
  for await (let data of source) {
    while (held + data.length >= wanted) {
      const taken = wanted - held;
      pieces.push(data.subarray(0, taken));
      yield pieces.length === 1 ? Buffer.from(pieces[0]!.buffer, pieces[0]!.byteOffset, taken) : Buffer.concat(pieces);
      data = data.subarray(taken);
      pieces = [];
      held = 0;
      wanted = bytes;
    }
    if (data.length > 0) {
      pieces.push(data);
      held += data.length;
    }
  }
  if (held > 0) yield Buffer.concat(pieces);
}

class Chunks {
  readonly #key: Buffer;
  readonly #nonce = Buffer.alloc(CHUNK_NONCE_BYTES);
  #count = 0;

  constructor(fileKey: Buffer, nonce: Buffer) {
    this.#key = Buffer.from(hkdfSync('sha256', fileKey, nonce, 'payload', KEY_BYTES));
  }

  encrypt(chunk: Uint8Array, isLast: boolean): Buffer {
    const cipher = createCipheriv('chacha20-poly1305', this.#key, this.#next(isLast), { authTagLength: TAG_BYTES });
    return Buffer.concat([cipher.update(chunk), cipher.final(), cipher.getAuthTag()]);
  }

  decrypt(sealed: Buffer, isLast: boolean): Buffer {
    const end = sealed.length - TAG_BYTES;
    const decipher = createDecipheriv('chacha20-poly1305', this.#key, this.#next(isLast), { authTagLength: TAG_BYTES });
    decipher.setAuthTag(sealed.subarray(end));
    const chunk = decipher.update(sealed.subarray(0, end));
    try {
      decipher.final();
    } catch (error) {
      throw isLast ? lastPieceWrong(error) : damaged('a piece of it does not fit its key', error);
    }
    return chunk;
  }

  /** Eleven bytes of a number that goes up, and one that marks the last chunk. */
  #next(isLast: boolean): Buffer {
    this.#nonce.writeUIntBE(this.#count, CHUNK_NONCE_BYTES - 7, 6);
    this.#nonce[CHUNK_NONCE_BYTES - 1] = isLast ? 1 : 0;
    this.#count += 1;
    return this.#nonce;
  }
}

/** A file that was cut ends with a chunk that is not the last one, or with half of one. */
function lastPieceWrong(cause: unknown): Error {
  return truncated(cause);
}
