import { createHmac, randomBytes, scrypt } from 'node:crypto';
import { join } from 'node:path';
import { openKeyWrap, type KeyWrap } from '@bascule/accounts/key-wrap.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { PRE_SHARED_KEY_MIN, type PreSharedKeyState } from '@bascule/protocol/api/failover.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import type { Context, Store } from '@bascule/store/store.ts';
import {
  readKeyBeforeMove,
  readPreSharedKey,
  removeKeyBeforeMove,
  removePreSharedKey,
  writeKeyBeforeMove,
  writePreSharedKey,
  type PreSharedKeyRow,
} from './establish-store.ts';

/** In `site/keys`: wraps what pair.db keeps. Local as pair.db is: the site key is replaced when an appliance becomes a backup. */
export const PAIR_WRAP_KEY_FILE = 'pair-wrap.key';
const PURPOSE = 'pair pre-shared key';
/** Both appliances must come to the same, before they have said anything to each other. */
const SALT = 'bascule pre-shared key 1';
/** 128 MiB and about half a second for each guess. */
const SLOW = { N: 2 ** 17, r: 8, p: 1, maxmem: 160 * 1024 * 1024 };
const KEY_BYTES = 32;
const CHECK_VALUE_CHARACTERS = 8;
/** 200 bits, in letters and digits that are not taken for each other. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const GROUPS = 8;
const GROUP_CHARACTERS = 5;

const keySet = defineAuditEvent<{ checkValue: string }>(
  'PAIR_PRE_SHARED_KEY_SET',
  'Set the pre-shared key between appliances (check value {checkValue})',
);
const keyLent = defineAuditEvent<{ checkValue: string }>(
  'PAIR_PRE_SHARED_KEY_OF_MOVE',
  'Set the pre-shared key between appliances for as long as a move lasts (check value {checkValue})',
);
const keyPutBack = defineAuditEvent<{ checkValue: string }>(
  'PAIR_PRE_SHARED_KEY_PUT_BACK',
  'A move is over: its pre-shared key counts no more, and the one of before does (check value {checkValue})',
);

/** A new pre-shared key: eight groups of five letters and digits. */
export function generatePreSharedKey(): string {
  // 256 is a multiple of the alphabet's 32 letters: each comes as often.
  const letters = [...randomBytes(GROUPS * GROUP_CHARACTERS)].map((byte) => ALPHABET[byte % ALPHABET.length]).join('');
  return letters.match(/.{5}/g)!.join('-');
}

/**
 * The inter-appliance pre-shared key (B32). Kept is only what a slow hash makes of it, wrapped: it proves the key to the other appliance, and cannot be
 * turned back into it.
 */
export class PreSharedKey {
  readonly #store: Store;
  readonly #wrap: KeyWrap;
  readonly #now: () => number;
  readonly #absent = randomBytes(KEY_BYTES);
  #key: Buffer | undefined;
  /** One change after the other: the slow hash takes half a second. */
  #turn: Promise<unknown> = Promise.resolve();

  /** `store` is pair.db. Throws `KEY_FILE_BROKEN`, `KEY_WRAP_FAILED`. */
  constructor(options: { store: Store; keysDir: string; now?: () => number }) {
    this.#store = options.store;
    this.#wrap = openKeyWrap(join(options.keysDir, PAIR_WRAP_KEY_FILE));
    this.#now = options.now ?? Date.now;
    this.#key = this.#unwrapped(readPreSharedKey(this.#store));
  }

  /** For pages: whether there is one, and its check value; never the key. */
  state(): PreSharedKeyState {
    const row = readPreSharedKey(this.#store);
    return { isSet: row !== undefined, checkValue: row?.checkValue ?? null, changedAtMs: row?.changedAtMs ?? null };
  }

  /** Takes `text` as the key from now on; a move that ends later does not put back another. Throws `FAILOVER_PRE_SHARED_KEY_SHORT`. */
  async set(context: Context, text: string): Promise<PreSharedKeyState> {
    return await this.#inTurn(async () => {
      const { key, row } = await this.#made(text);
      this.#store.transact(context, keySet({ checkValue: row.checkValue }), (tx) => {
        writePreSharedKey(tx, row);
        removeKeyBeforeMove(tx);
      });
      this.#key = key;
      return this.state();
    });
  }

  /** Takes `text` as the key until `putBack`, and keeps the one of before. Throws `FAILOVER_PRE_SHARED_KEY_SHORT`. */
  async lend(context: Context, text: string): Promise<void> {
    await this.#inTurn(async () => {
      const { key, row } = await this.#made(text);
      this.#store.transact(context, keyLent({ checkValue: row.checkValue }), (tx) => {
        if (readKeyBeforeMove(tx) === undefined) writeKeyBeforeMove(tx, readPreSharedKey(tx));
        writePreSharedKey(tx, row);
      });
      this.#key = key;
    });
  }

  /** The move is over: the key is what it was before `lend`, or none. Harmless when done again. */
  async putBack(context: Context): Promise<void> {
    await this.#inTurn(() => {
      const before = readKeyBeforeMove(this.#store);
      if (before === undefined) return;
      const key = this.#unwrapped(before);
      this.#store.transact(context, keyPutBack({ checkValue: before.checkValue || 'none' }), (tx) => {
        if (key === undefined) removePreSharedKey(tx);
        else writePreSharedKey(tx, before);
        removeKeyBeforeMove(tx);
      });
      this.#key = key;
    });
  }

  async #made(text: string): Promise<{ key: Buffer; row: PreSharedKeyRow }> {
    const trimmed = text.trim().normalize('NFC');
    if (trimmed.length < PRE_SHARED_KEY_MIN)
      throw new AppError(
        'invalid',
        'FAILOVER_PRE_SHARED_KEY_SHORT',
        `The pre-shared key needs at least ${PRE_SHARED_KEY_MIN} characters: let the page generate one.`,
        { field: 'body.key', params: { min: PRE_SHARED_KEY_MIN } },
      );
    const { key, checkValue } = await slowHash(trimmed);
    return { key, row: { wrapped: this.#wrap.wrap(key, PURPOSE), checkValue, changedAtMs: this.#now() } };
  }

  #unwrapped(row: PreSharedKeyRow | undefined): Buffer | undefined {
    return row === undefined || row.wrapped.byteLength === 0 ? undefined : Buffer.from(this.#wrap.unwrap(row.wrapped, PURPOSE));
  }

  #inTurn<T>(work: () => T | Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  get isSet(): boolean {
    return this.#key !== undefined;
  }

  /** HMAC-SHA-256 of `data`. While no key is set, of a random one: it takes the same time, and fits nothing. */
  hmac(data: Uint8Array): Buffer {
    return createHmac('sha256', this.#key ?? this.#absent)
      .update(data)
      .digest();
  }
}

/** The two halves of one slow hash: what proves the key, and what people may compare. Neither says anything of the other. */
function slowHash(text: string): Promise<{ key: Buffer; checkValue: string }> {
  return new Promise((resolve, reject) => {
    scrypt(text, SALT, 2 * KEY_BYTES, SLOW, (error, hash) => {
      if (error) return reject(error);
      const checkValue = hash.subarray(KEY_BYTES).toString('hex').slice(0, CHECK_VALUE_CHARACTERS);
      resolve({ key: hash.subarray(0, KEY_BYTES), checkValue });
    });
  });
}
