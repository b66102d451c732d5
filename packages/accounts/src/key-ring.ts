import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { AppError } from '@bascule/errors/app-error.ts';
import {
  KEY_ID_BYTES,
  mendKeyFile,
  newRingKey,
  readRing,
  RING_KEYS_MAX,
  stampOf,
  writeRing,
  type Ring,
  type RingKey,
} from './key-ring-files.ts';
import type { KeyWrap } from './key-wrap.ts';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Without the name of its key: version, nonce, tag, ciphertext. */
const VERSION_UNNAMED = 1;
/** Version, id of the key, nonce, tag, ciphertext. */
const VERSION_NAMED = 2;

/** How a ring is changed is cut here by tests. */
export type RingStep = 'ring-written';

/**
 * The current key, which wraps, and former ones, which still open. Reads its files again when they were replaced, by whichever part of the program or by hand: every part that
 * opens a ring of the same path has the same keys at every moment. AES-256-GCM.
 */
export class KeyRing implements KeyWrap {
  readonly path: string;
  #ring: Ring;
  #stamp: string;

  private constructor(path: string) {
    this.path = path;
    this.#ring = readRing(path);
    this.#stamp = stampOf(path);
  }

  /** Opens the ring whose key file is `path` (0600), and makes a key, durably, when there is none. Throws KEY_FILE_BROKEN. */
  static open(path: string): KeyRing {
    return new KeyRing(path);
  }

  get currentId(): string {
    return this.#read().current;
  }

  get nextId(): string | null {
    return this.#read().next;
  }

  /** All keys: the current one first. */
  keys(): RingKey[] {
    const { keys, current } = this.#read();
    return [keys.get(current)!, ...[...keys.values()].filter(({ id }) => id !== current)];
  }

  /** Ids of keys that only open what was wrapped before. */
  formerIds(): string[] {
    const { keys, current, next } = this.#read();
    return [...keys.keys()].filter((id) => id !== current && id !== next);
  }

  /** SHA-256 (hex) over what the ring holds: equal on two appliances exactly when their rings are. */
  fingerprint(): string {
    const { keys, current, next } = this.#read();
    return createHash('sha256')
      .update(JSON.stringify({ current, next, keys: [...keys.keys()].toSorted() }))
      .digest('hex');
  }

  wrap(secret: Uint8Array, purpose: string): Uint8Array {
    const { keys, current, namesKeys } = this.#read();
    const { id, bytes: key } = keys.get(current)!;
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(namesKeys ? boundTo(id, purpose) : Buffer.from(purpose));
    const text = Buffer.concat([cipher.update(secret), cipher.final()]);
    const head = namesKeys ? Buffer.concat([Buffer.of(VERSION_NAMED), Buffer.from(id, 'hex')]) : Buffer.of(VERSION_UNNAMED);
    return Buffer.concat([head, nonce, cipher.getAuthTag(), text]);
  }

  unwrap(wrapped: Uint8Array, purpose: string): Uint8Array {
    const opened = this.open(wrapped, purpose);
    if (opened !== undefined) return opened.secret;
    throw new AppError(
      'internal',
      'KEY_WRAP_FAILED',
      'A secret in the database does not open with the vault key of this installation. Restore the vault key that it was wrapped with, or enter the secret anew.',
    );
  }

  /** The secret and the key that opened it; undefined when none here does. */
  open(wrapped: Uint8Array, purpose: string): { secret: Buffer; keyId: string } | undefined {
    const { keys } = this.#read();
    const named = keyIdOf(wrapped);
    const candidates = named === undefined ? this.keys() : [keys.get(named)].filter((key) => key !== undefined);
    for (const key of candidates) {
      const secret = openWith(key, wrapped, purpose);
      if (secret !== undefined) return { secret, keyId: key.id };
    }
    return undefined;
  }

  /** As `open`, with `others` too, which are not in the ring. */
  wouldOpen(others: readonly RingKey[], wrapped: Uint8Array, purpose: string): boolean {
    return others.some((key) => openWith(key, wrapped, purpose) !== undefined);
  }

  /** Makes the key that is to be the next one; nothing is wrapped by it yet. Gives the one that is there when it was made before. */
  prepareNext(step?: (step: RingStep) => void): string {
    const ring = this.#read();
    if (ring.next !== null) return ring.next;
    const key = newRingKey();
    this.#write({ ...ring, keys: addTo(ring, [key]), next: key.id, namesKeys: true }, step);
    return key.id;
  }

  /** From now on new secrets are wrapped by the next key; the current one becomes a former one. Does nothing without a next one. */
  useNext(step?: (step: RingStep) => void): void {
    const ring = this.#read();
    if (ring.next !== null) this.#write({ ...ring, current: ring.next, next: null }, step);
  }

  /** Gives up a next key that was never used. */
  forgetNext(): void {
    const ring = this.#read();
    if (ring.next === null) return;
    this.#write({ ...ring, keys: new Map([...ring.keys].filter(([id]) => id !== ring.next)), next: null });
  }

  /** Drops all former keys but `kept`: the caller knows that nothing is wrapped by the others any more. */
  dropFormer(kept: ReadonlySet<string>, step?: (step: RingStep) => void): void {
    const ring = this.#read();
    const stays = (id: string) => id === ring.current || id === ring.next || kept.has(id);
    this.#write({ ...ring, keys: new Map([...ring.keys].filter(([id]) => stays(id))), namesKeys: true }, step);
  }

  /** Adds keys that were kept elsewhere; takes nothing away. `current`: one of all keys, which wraps from now on. Throws KEY_RING_FULL. */
  add(keys: readonly RingKey[], current?: string): void {
    const ring = this.#read();
    const all = addTo(ring, keys);
    if (current !== undefined && !all.has(current)) throw new Error('bug: a key that is not in the ring cannot be current');
    this.#write({ ...ring, keys: all, current: current ?? ring.current, namesKeys: true });
  }

  /** After a cut between the two files of a ring: makes the key file that of the ring. */
  mend(): void {
    const ring = this.#read();
    mendKeyFile(this.path, ring);
    this.#stamp = stampOf(this.path);
  }

  #read(): Ring {
    const stamp = stampOf(this.path);
    if (stamp !== this.#stamp) {
      this.#ring = readRing(this.path);
      this.#stamp = stamp;
    }
    return this.#ring;
  }

  #write(ring: Ring, step?: (step: RingStep) => void): void {
    writeRing(this.path, ring, step && (() => step('ring-written')));
    this.#ring = ring;
    this.#stamp = stampOf(this.path);
  }
}

/** The id of the key that `wrapped` names; undefined for what was wrapped before keys had names, and for what is none of ours. */
export function keyIdOf(wrapped: Uint8Array): string | undefined {
  if (wrapped[0] !== VERSION_NAMED || wrapped.byteLength <= KEY_ID_BYTES) return undefined;
  return Buffer.from(wrapped.subarray(1, 1 + KEY_ID_BYTES)).toString('hex');
}

function addTo(ring: Ring, keys: readonly RingKey[]): Map<string, RingKey> {
  const all = new Map([...ring.keys, ...keys.map((key) => [key.id, key] as const)]);
  if (all.size > RING_KEYS_MAX)
    throw new AppError(
      'conflict',
      'KEY_RING_FULL',
      `There are ${RING_KEYS_MAX} vault keys here already: rotate the key, which drops the former ones, and try again.`,
      { params: { keys: RING_KEYS_MAX } },
    );
  return all;
}

function openWith(key: RingKey, wrapped: Uint8Array, purpose: string): Buffer | undefined {
  const bytes = Buffer.from(wrapped);
  const named = bytes[0] === VERSION_NAMED;
  if (!named && bytes[0] !== VERSION_UNNAMED) return undefined;
  if (named && keyIdOf(bytes) !== key.id) return undefined;
  const nonceAt = named ? 1 + KEY_ID_BYTES : 1;
  const tagAt = nonceAt + NONCE_BYTES;
  if (bytes.length < tagAt + TAG_BYTES) return undefined;
  try {
    const decipher = createDecipheriv('aes-256-gcm', key.bytes, bytes.subarray(nonceAt, tagAt), { authTagLength: TAG_BYTES });
    decipher.setAAD(named ? boundTo(key.id, purpose) : Buffer.from(purpose));
    decipher.setAuthTag(bytes.subarray(tagAt, tagAt + TAG_BYTES));
    return Buffer.concat([decipher.update(bytes.subarray(tagAt + TAG_BYTES)), decipher.final()]);
  } catch {
    return undefined;
  }
}

/** What a named secret is bound to. */
function boundTo(keyId: string, purpose: string): Buffer {
  return Buffer.from(`bascule-key-wrap/2\0${keyId}\0${purpose}`);
}
