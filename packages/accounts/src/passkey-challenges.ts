import { randomBytes } from 'node:crypto';
import { addressKey } from '@bascule/core/address-key.ts';
import * as errors from './account-errors.ts';

/** How long a person has for the authenticator's question. */
export const CHALLENGE_LIFE_MS = 2 * 60_000;
/** Challenges that are open at one time, in all and for one address. */
export const CHALLENGES_LIMIT = 5000;
export const CHALLENGES_PER_ADDRESS_LIMIT = 20;
const CHALLENGE_BYTES = 32;

/** What a challenge was made for; the answer must be for the same. */
export type ChallengePurpose =
  { kind: 'login' } | { kind: 'second-factor'; loginSession: string } | { kind: 'register'; loginSession: string };

interface Challenge {
  purpose: ChallengePurpose;
  address: string;
  untilMs: number;
}

/** Passkey challenges: used once, for a short time, a bounded number. */
export class PasskeyChallenges {
  readonly #open = new Map<string, Challenge>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  make(purpose: ChallengePurpose, address: string): Uint8Array<ArrayBuffer> {
    const key = addressKey(address);
    this.#forgetOld();
    const ofAddress = [...this.#open].filter(([, challenge]) => challenge.address === key);
    // Whoever opens many loses the oldest of their own, never those of others.
    if (ofAddress.length >= CHALLENGES_PER_ADDRESS_LIMIT) this.#open.delete(ofAddress[0]![0]);
    else if (this.#open.size >= CHALLENGES_LIMIT) throw errors.tooManyChallenges();
    const bytes = new Uint8Array(randomBytes(CHALLENGE_BYTES));
    this.#open.set(Buffer.from(bytes).toString('base64url'), { purpose, address: key, untilMs: this.#now() + CHALLENGE_LIFE_MS });
    return bytes;
  }

  /** Takes the challenge with this text away; its purpose if it was open. */
  take(text: string): ChallengePurpose | undefined {
    const challenge = this.#open.get(text);
    this.#open.delete(text);
    return challenge !== undefined && challenge.untilMs > this.#now() ? challenge.purpose : undefined;
  }

  #forgetOld(): void {
    for (const [text, { untilMs }] of this.#open) {
      if (untilMs > this.#now()) return;
      this.#open.delete(text);
    }
  }
}
