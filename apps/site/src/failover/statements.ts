/** Statements about epochs (packages/pair), signed and read with the site identity that is on the disk now. */
import { readStatement, signStatement, statementOf } from '@bascule/pair/epoch-statement.ts';
import type { EpochStatement, SignedStatement } from '@bascule/protocol/pair-link.ts';
import { SiteIdentity } from '../jump/jump.ts';

export { statementOf } from '@bascule/pair/epoch-statement.ts';

/** Statements that were verified already; the peer shows the same one every two seconds. */
const REMEMBERED_MAX = 16;

export class StatementSource {
  readonly #keysDir: string;
  readonly #known = new Map<string, EpochStatement>();

  constructor(keysDir: string) {
    this.#keysDir = keysDir;
  }

  async sign(content: Omit<EpochStatement, 'format'>): Promise<SignedStatement> {
    const identity = await this.#identity();
    return signStatement(content, (bytes) => identity.sign(bytes));
  }

  /** What `signed` says. Throws `PAIR_STATEMENT_WRONG` when the site identity, or one before it, did not sign it. */
  async read(signed: SignedStatement): Promise<EpochStatement> {
    const name = `${signed.signature}\n${signed.statement}`;
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const { certificatePem, former } = await this.#identity();
    const statement = readStatement(signed, [certificatePem, ...former.map((one) => one.certificatePem)]);
    this.#known.set(name, statement);
    const [oldest] = this.#known.keys();
    if (this.#known.size > REMEMBERED_MAX && oldest !== undefined) this.#known.delete(oldest);
    return statement;
  }

  /** The site identity in force, read anew: it may have been rotated, or replaced by the primary's. */
  #identity(): Promise<SiteIdentity> {
    return SiteIdentity.open({ keysDir: this.#keysDir });
  }
}

/** Clocks of the two sides may differ by so much when it is compared what came first. */
export const CLOCK_MARGIN_MS = 2000;
/** A side that was away for years has not missed more changes of roles than this. */
export const EPOCH_LEAP_MAX = 1000;

/** Which of two statements rules: the higher epoch; of one epoch, which only two takeovers that were forced at once can make, the lower key. */
export function isAbove(one: EpochStatement, other: EpochStatement | undefined): boolean {
  if (other === undefined) return true;
  return one.epoch !== other.epoch ? one.epoch > other.epoch : one.holder < other.holder;
}

/** What a statement of our own pair.db says. */
export function ownStatement(signed: SignedStatement | null): EpochStatement | undefined {
  return signed === null ? undefined : statementOf(signed);
}
