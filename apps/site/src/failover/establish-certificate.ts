import { AppError } from '@bascule/errors/app-error.ts';
import type { FromSite, ToSite } from '@bascule/protocol/base-site.ts';
import type { CertificateExchange } from './establish-contract.ts';

/** base answers at once; one before 0.3.0 never does. */
const ANSWER_LIMIT_MS = 5_000;

type Answer = Extract<ToSite, { kind: 'certificate' }>;
type Question = Extract<FromSite, { kind: 'ask-certificate' | 'take-certificate' }>;
type Unnumbered<Q> = Q extends Question ? Omit<Q, 'nonce'> : never;

/** The web certificate, which base keeps: asked for over the channel to it (protocol/base-site.ts). */
export class BaseCertificate implements CertificateExchange {
  readonly #tell: (message: FromSite) => void;
  readonly #host: () => string;
  readonly #known: () => string[];
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #nonce = 0;

  /** `host`: the shared name. `known`: the names that this program knows of itself, for a base that is asked in vain. */
  constructor(options: { tell(message: FromSite): void; host(): string; known(): string[] }) {
    this.#tell = (message) => options.tell(message);
    this.#host = () => options.host();
    this.#known = () => options.known();
  }

  /** What base answered: `certificate` messages are passed on to this. */
  heard(answer: Answer): void {
    this.#waiting.get(answer.nonce)?.(answer);
  }

  async names(): Promise<string[]> {
    const asked = this.#ask({ kind: 'ask-certificate', host: this.#host(), withKey: false });
    return await asked.then(
      ({ names }) => names,
      () => this.#known(),
    );
  }

  async give(): Promise<{ certificatePem: string; keyPem: string }> {
    const { certificatePem, keyPem } = await this.#ask({ kind: 'ask-certificate', host: this.#host(), withKey: true });
    if (certificatePem === undefined || keyPem === undefined) throw unavailable('base did not give it');
    return { certificatePem, keyPem };
  }

  async take(certificate: { certificatePem: string; keyPem: string }): Promise<void> {
    await this.#ask({ kind: 'take-certificate', ...certificate });
  }

  async #ask(question: Unnumbered<Question>): Promise<Answer> {
    const nonce = ++this.#nonce;
    const answer = await new Promise<Answer | undefined>((resolve) => {
      const limit = setTimeout(resolve, ANSWER_LIMIT_MS, undefined);
      this.#waiting.set(nonce, (heard) => {
        clearTimeout(limit);
        resolve(heard);
      });
      this.#tell({ ...question, nonce });
    }).finally(() => this.#waiting.delete(nonce));
    if (answer === undefined) throw unavailable('base does not answer: it may be older than this site');
    if (answer.error !== undefined) throw unavailable(answer.error);
    return answer;
  }
}

function unavailable(why: string): AppError {
  return new AppError(
    'unavailable',
    'FAILOVER_CERTIFICATE_UNAVAILABLE',
    `The web certificate cannot be handed over: ${why}. Establish without it, or try again.`,
    { params: { why } },
  );
}
