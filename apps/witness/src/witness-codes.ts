/** Codes by which appliances make their keys count: a file each, named by the hash of its secret, so that the running program and the command line never write one file. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileDurablySync } from '@bascule/core/durable-file.ts';
import { AppError } from '@bascule/errors/app-error.ts';

/** Codes that have not ended, at most. */
const CODES_MAX = 100;
const SECRET_BYTES = 32;

/** `site`: the one that used it first; nobody else can use it then. */
const codeFile = z.object({ endsAtMs: z.number(), site: z.string().nullable() });
type CodeFile = z.infer<typeof codeFile>;

export class WitnessCodes {
  readonly #folder: string;
  readonly #now: () => number;

  constructor(state: string, now: () => number = Date.now) {
    this.#folder = join(state, 'codes');
    this.#now = now;
  }

  /** Makes one for the appliances of one site, good for `lifeMs`, and gives its secret, which is kept nowhere. Throws `WITNESS_TOO_MANY_CODES`. */
  make(lifeMs: number): string {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    this.#removeEnded();
    if (readdirSync(this.#folder).length >= CODES_MAX)
      throw new AppError(
        'limited',
        'WITNESS_TOO_MANY_CODES',
        `There are ${CODES_MAX} codes that have not ended: wait until some have.`,
      );
    const secret = randomBytes(SECRET_BYTES).toString('base64url');
    this.#write(secret, { endsAtMs: this.#now() + lifeMs, site: null });
    return secret;
  }

  /** Whether `secret` admits a key of `site`; from then on it is that site's. */
  use(secret: string, site: string): boolean {
    const code = readCode(this.#fileOf(secret));
    if (code === undefined || code.endsAtMs <= this.#now() || (code.site !== null && code.site !== site)) return false;
    if (code.site === null) this.#write(secret, { ...code, site });
    return true;
  }

  #write(secret: string, code: CodeFile): void {
    writeFileDurablySync(this.#fileOf(secret), JSON.stringify(code));
  }

  #fileOf(secret: string): string {
    return join(this.#folder, `${createHash('sha256').update(secret).digest('hex')}.json`);
  }

  #removeEnded(): void {
    for (const name of readdirSync(this.#folder)) {
      const file = join(this.#folder, name);
      const code = readCode(file);
      if (code === undefined || code.endsAtMs <= this.#now()) rmSync(file, { force: true });
    }
  }
}

/** Undefined for what is no code, such as what a power cut left of one. */
function readCode(file: string): CodeFile | undefined {
  try {
    return codeFile.safeParse(JSON.parse(readFileSync(file, 'utf8'))).data;
  } catch {
    return undefined;
  }
}
