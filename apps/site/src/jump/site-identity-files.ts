import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { X509Certificate } from 'node:crypto';
import { createPrivateKey } from 'node:crypto';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { syncFolderSync, writeFileDurablySync } from '@bascule/core/durable-file.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { CLOCK_TOLERANCE_MS, keyToPem, makeAuthority, newKeyPair, readKeyPair } from './site-identity-certificates.ts';

/** Identities of before that are kept, as certificates; the oldest fall off. */
export const FORMER_KEPT_MAX = 100;

const formerIdentity = z.object({
  /** As clients and installer tokens knew it. */
  certificatePem: z.string(),
  /** The certificate of the one after it, signed by this one; null when only the certificate was issued anew, for the same key. */
  crossPem: z.string().nullable(),
  sinceMs: z.number(),
  endedAtMs: z.number(),
  /** The one after it says so: signature over `formerStatement`, base64. */
  vouch: z.string(),
});
export type FormerIdentity = z.infer<typeof formerIdentity>;

const history = z.object({
  format: z.literal('bascule-identity-history/1'),
  sinceMs: z.number(),
  /** Newest first. */
  former: z.array(formerIdentity).max(FORMER_KEPT_MAX),
});
const next = z.object({
  format: z.literal('bascule-identity-next/1'),
  keyPem: z.string(),
  certificatePem: z.string(),
  history,
});

/** All there is of a site identity. */
export interface IdentityState {
  keyPem: string;
  certificatePem: string;
  sinceMs: number;
  former: FormerIdentity[];
}

/**
 * The identity's files in `keys/`: `identity.key`, `identity.crt`, `identity-history.json`. A change is written whole into `identity-next.json` first; from then on it is
 * decided, and each step after it can be done again: a start after a power cut does them (docs/decisions/0158).
 */
export class IdentityFiles {
  readonly #key: string;
  readonly #certificate: string;
  readonly #history: string;
  readonly #next: string;

  constructor(keysDir: string) {
    this.#key = join(keysDir, 'identity.key');
    this.#certificate = join(keysDir, 'identity.crt');
    this.#history = join(keysDir, 'identity-history.json');
    this.#next = join(keysDir, 'identity-next.json');
  }

  /** Reads the identity, or makes it when neither key nor certificate is there. Throws `SITE_IDENTITY_INCOMPLETE` or `SITE_IDENTITY_DAMAGED`. */
  async read(nowMs: number): Promise<IdentityState> {
    mkdirSync(dirname(this.#key), { recursive: true, mode: 0o700 });
    chmodSync(dirname(this.#key), 0o700);
    this.finish();
    const past = existsSync(this.#history) ? parse(history, this.#history) : undefined;
    if (!existsSync(this.#key) && (existsSync(this.#certificate) || past !== undefined))
      throw incomplete(this.#certificate, 'key');
    // The certificate is written last: a start that was cut between the two makes it again from the key.
    if (!existsSync(this.#key)) writeFileDurablySync(this.#key, await keyToPem(await newKeyPair()));
    const keyPem = readFileSync(this.#key, 'utf8');
    if (!existsSync(this.#certificate)) {
      if (past !== undefined) throw incomplete(this.#key, 'certificate');
      writeFileDurablySync(this.#certificate, await makeAuthority({ keys: await readKeyPair(keyPem), nowMs }));
    }
    const certificatePem = readFileSync(this.#certificate, 'utf8');
    const certificate = new X509Certificate(certificatePem);
    if (!certificate.checkPrivateKey(createPrivateKey(keyPem)))
      throw damaged(this.#certificate, 'it does not belong to identity.key: restore all files of this folder from one backup');
    const sinceMs = past?.sinceMs ?? certificate.validFromDate.getTime() + CLOCK_TOLERANCE_MS;
    return { keyPem, certificatePem, sinceMs, former: past?.former ?? [] };
  }

  /** Decides for `state`, durably: if the program dies from here on, the next start finishes it. */
  decide(state: IdentityState): void {
    const { keyPem, certificatePem, sinceMs, former } = state;
    const past = { format: 'bascule-identity-history/1', sinceMs, former: former.slice(0, FORMER_KEPT_MAX) };
    writeFileDurablySync(
      this.#next,
      JSON.stringify({ format: 'bascule-identity-next/1', keyPem, certificatePem, history: past }),
    );
  }

  /** Takes a decision back that nothing was done for yet. */
  undecide(): void {
    rmSync(this.#next, { force: true });
    syncFolderSync(dirname(this.#next));
  }

  /** Does what was decided. The former private key is overwritten and gone then: whoever would get hold of it later could pose as this site's predecessor. */
  finish(): void {
    if (!existsSync(this.#next)) return;
    const decided = parse(next, this.#next);
    writeFileDurablySync(this.#history, JSON.stringify(decided.history));
    writeFileDurablySync(this.#certificate, decided.certificatePem);
    if (!existsSync(this.#key) || readFileSync(this.#key, 'utf8') !== decided.keyPem) {
      if (existsSync(this.#key)) overwrite(this.#key);
      writeFileDurablySync(this.#key, decided.keyPem);
    }
    this.undecide();
  }
}

/** On file systems that write in place nothing of the key stays on the disk. */
function overwrite(file: string): void {
  const descriptor = openSync(file, 'r+');
  try {
    writeSync(descriptor, Buffer.alloc(statSync(file).size), 0, undefined, 0);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function parse<T>(schema: z.ZodType<T>, file: string): T {
  try {
    return schema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    throw damaged(file, 'restore the folder from a backup');
  }
}

function incomplete(file: string, lacks: string): AppError {
  return new AppError(
    'internal',
    'SITE_IDENTITY_INCOMPLETE',
    `${file} has no ${lacks} beside it: restore identity.${lacks === 'key' ? 'key' : 'crt'} from a backup.`,
  );
}

function damaged(file: string, what: string): AppError {
  return new AppError('internal', 'SITE_IDENTITY_DAMAGED', `${file} cannot be used: ${what}.`);
}
