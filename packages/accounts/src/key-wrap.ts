import { KeyRing } from './key-ring.ts';

/** Wraps secrets before they enter a database. `purpose` is bound in: what was wrapped for one purpose does not open for another. */
export interface KeyWrap {
  wrap(secret: Uint8Array, purpose: string): Uint8Array;
  /** Throws KEY_WRAP_FAILED when `wrapped` was changed, or belongs to another key or purpose. */
  unwrap(wrapped: Uint8Array, purpose: string): Uint8Array;
}

/** Opens the key file at `path` (0600) with the former keys beside it, and makes it, durably, when there is none. Throws KEY_FILE_BROKEN. */
export function openKeyWrap(path: string): KeyWrap {
  return KeyRing.open(path);
}
