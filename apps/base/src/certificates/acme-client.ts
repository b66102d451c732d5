import { createHash, createHmac, createPrivateKey, sign, type KeyObject } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { ACME_PHASES } from '@bascule/protocol/api/certificates.ts';
import { z } from 'zod';
import { acmeFailed, askAuthority, type AcmeAnswer } from './acme-http.ts';

/** An authority checks names and signs in seconds; slow ones in a minute or two. */
export const ACME_POLL_LIMIT_MS = 180_000;
const POLL_INTERVAL_MS = 1_000;
const POLL_INTERVAL_MAX_MS = 10_000;
/** A nonce may have been used up meanwhile (RFC 8555, 6.5). */
const NONCE_TRIES_MAX = 5;
const AUTHORIZATIONS_MAX = 100;

const directory = z.object({
  newNonce: z.string(),
  newAccount: z.string(),
  newOrder: z.string(),
  meta: z.object({ externalAccountRequired: z.boolean().optional(), termsOfService: z.string().optional() }).optional(),
});
const problem = z.object({
  type: z.string().default(''),
  detail: z.string().default(''),
  subproblems: z.array(z.object({ detail: z.string().default('') })).optional(),
});
const order = z.object({
  status: z.enum(['pending', 'ready', 'processing', 'valid', 'invalid']),
  authorizations: z.array(z.string()).max(AUTHORIZATIONS_MAX),
  finalize: z.string(),
  certificate: z.string().optional(),
  error: problem.optional(),
});
const challenge = z.object({ type: z.string(), url: z.string(), token: z.string().optional(), error: problem.optional() });
const authorization = z.object({
  status: z.string(),
  identifier: z.object({ type: z.string(), value: z.string() }),
  challenges: z.array(challenge),
});

export interface AcmeOrderOptions {
  directoryUrl: string;
  /** PEM; empty: the authorities that Node knows. */
  directoryCaPem: string;
  contact: string;
  termsAgreed: boolean;
  /** External Account Binding: the id, and the secret key. */
  binding: { keyId: string; secret: Uint8Array } | undefined;
  /** PEM, P-256. */
  accountKey: string;
  names: readonly string[];
  challenge: 'http-01' | 'tls-alpn-01';
  /** DER. */
  signingRequest: Uint8Array;
  /** Makes the answer to a challenge visible; what it returns takes it away again. */
  present(name: string, token: string, keyAuthorization: string): Promise<() => void>;
  onPhase?(phase: (typeof ACME_PHASES)[number]): void;
  signal: AbortSignal;
  /** Shortened by tests. */
  pollIntervalMs?: number;
}

/** Gets a certificate by ACME (RFC 8555): account, order, challenges, finalize, download. Returns the chain as PEM. Throws `ACME_FAILED` with what the authority said. */
export async function orderCertificate(options: AcmeOrderOptions): Promise<string> {
  const { onPhase } = options;
  onPhase?.('account');
  const session = await AcmeSession.open(options);
  onPhase?.('order');
  const identifiers = options.names.map((value) => ({ type: 'dns', value }));
  const made = await session.post(session.directory.newOrder, { identifiers });
  const orderUrl = locationOf(made);
  let current = parse(order, made);
  onPhase?.('challenge');
  for (const url of current.authorizations) await authorize(session, options, url);
  onPhase?.('finalize');
  current = parse(order, await session.post(orderUrl, ''));
  if (current.status === 'ready' || current.status === 'pending')
    current = parse(
      order,
      await session.post(current.finalize, { csr: Buffer.from(options.signingRequest).toString('base64url') }),
    );
  current = await session.poll(orderUrl, order, (now) => now.status === 'valid' || now.status === 'invalid', current);
  if (current.status !== 'valid' || current.certificate === undefined)
    throw acmeFailed(`The authority refused the order: ${current.error === undefined ? current.status : textOf(current.error)}`);
  onPhase?.('download');
  return (await session.post(current.certificate, '')).text;
}

async function authorize(session: AcmeSession, options: AcmeOrderOptions, url: string): Promise<void> {
  const offered = parse(authorization, await session.post(url, ''));
  if (offered.status === 'valid') return;
  const { value: name } = offered.identifier;
  const wanted = offered.challenges.find(({ type }) => type === options.challenge);
  if (wanted?.token === undefined)
    throw acmeFailed(
      `The authority does not offer ${options.challenge} for ${name}, but ${offered.challenges.map(({ type }) => type).join(', ')}.`,
    );
  const withdraw = await options.present(name, wanted.token, `${wanted.token}.${session.thumbprint}`);
  try {
    await session.post(wanted.url, {});
    const now = await session.poll(url, authorization, ({ status }) => status !== 'pending' && status !== 'processing');
    if (now.status === 'valid') return;
    const failed = now.challenges.find(({ error }) => error !== undefined)?.error;
    throw acmeFailed(
      `${name} could not be validated by ${options.challenge}: ${failed === undefined ? now.status : textOf(failed)}`,
    );
  } finally {
    withdraw();
  }
}

/** Signed requests of one account. */
class AcmeSession {
  readonly directory: z.infer<typeof directory>;
  readonly thumbprint: string;
  readonly #options: AcmeOrderOptions;
  readonly #key: KeyObject;
  readonly #jwk: { crv: string; kty: string; x: string; y: string };
  #account: string | undefined;
  #nonce: string | undefined;

  private constructor(options: AcmeOrderOptions, known: z.infer<typeof directory>) {
    this.#options = options;
    this.directory = known;
    this.#key = createPrivateKey(options.accountKey);
    const { crv = '', kty = '', x = '', y = '' } = this.#key.export({ format: 'jwk' });
    // In this order (RFC 7638, 3).
    this.#jwk = { crv, kty, x, y };
    this.thumbprint = createHash('sha256').update(JSON.stringify(this.#jwk)).digest('base64url');
  }

  /** With the account of the key, which is made when there is none. */
  static async open(options: AcmeOrderOptions): Promise<AcmeSession> {
    const { directoryUrl, directoryCaPem, signal, contact, termsAgreed, binding } = options;
    const answer = await askAuthority(directoryUrl, { method: 'GET', ca: directoryCaPem, signal });
    const session = new AcmeSession(options, parse(directory, answer));
    if (session.directory.meta?.externalAccountRequired === true && binding === undefined)
      throw acmeFailed('The authority wants External Account Binding: enter the key id and the secret that it gave you.');
    const url = session.directory.newAccount;
    const account = await session.post(url, {
      termsOfServiceAgreed: termsAgreed,
      ...(contact !== '' && { contact: [`mailto:${contact}`] }),
      ...(binding !== undefined && { externalAccountBinding: session.#binding(url, binding) }),
    });
    session.#account = locationOf(account);
    return session;
  }

  /** Sends `payload` signed; an empty text reads (POST-as-GET). Throws `ACME_FAILED`. */
  async post(url: string, payload: object | ''): Promise<AcmeAnswer> {
    const { directoryCaPem, signal } = this.#options;
    for (let tries = 1; ; tries += 1) {
      const body = this.#sign(url, payload, await this.#takeNonce());
      const answer = await askAuthority(url, { method: 'POST', body, ca: directoryCaPem, signal });
      this.#noteNonce(answer);
      if (answer.status < 400) return answer;
      const said = problem.safeParse(jsonOf(answer.text)).data;
      if (said?.type.endsWith(':badNonce') === true && tries < NONCE_TRIES_MAX) continue;
      const retryAfterMs = retryAfter(answer);
      throw acmeFailed(
        `The authority says (${answer.status}): ${said === undefined ? answer.text.slice(0, 200) : textOf(said)}`,
        retryAfterMs === undefined ? {} : { retryAfterMs },
      );
    }
  }

  /** Reads `url` until `isDone`. */
  async poll<T>(url: string, schema: z.ZodType<T>, isDone: (now: T) => boolean, first?: T): Promise<T> {
    if (first !== undefined && isDone(first)) return first;
    const sinceMs = performance.now();
    const { signal, pollIntervalMs = POLL_INTERVAL_MS } = this.#options;
    for (;;) {
      const answer = await this.post(url, '');
      const now = parse(schema, answer);
      if (isDone(now)) return now;
      if (performance.now() - sinceMs > ACME_POLL_LIMIT_MS)
        throw acmeFailed(`The authority was not done after ${ACME_POLL_LIMIT_MS / 1000} s; it is tried again later.`);
      await wait(
        Math.min(
          pollIntervalMs === POLL_INTERVAL_MS ? (retryAfter(answer) ?? pollIntervalMs) : pollIntervalMs,
          POLL_INTERVAL_MAX_MS,
        ),
        undefined,
        { signal },
      );
    }
  }

  async #takeNonce(): Promise<string> {
    const known = this.#nonce;
    this.#nonce = undefined;
    if (known !== undefined) return known;
    const { directoryCaPem, signal } = this.#options;
    this.#noteNonce(await askAuthority(this.directory.newNonce, { method: 'HEAD', ca: directoryCaPem, signal }));
    const fresh: string | undefined = this.#nonce;
    this.#nonce = undefined;
    if (fresh === undefined) throw acmeFailed('The authority gives no nonce.');
    return fresh;
  }

  #noteNonce({ headers }: AcmeAnswer): void {
    const nonce = headers['replay-nonce'];
    if (typeof nonce === 'string') this.#nonce = nonce;
  }

  #sign(url: string, payload: object | '', nonce: string): string {
    const who = this.#account === undefined ? { jwk: this.#jwk } : { kid: this.#account };
    const head = encode({ alg: 'ES256', ...who, nonce, url });
    const body = payload === '' ? '' : encode(payload);
    const signature = sign('sha256', Buffer.from(`${head}.${body}`), { key: this.#key, dsaEncoding: 'ieee-p1363' });
    return JSON.stringify({ protected: head, payload: body, signature: signature.toString('base64url') });
  }

  /** RFC 8555, 7.3.4. */
  #binding(url: string, { keyId, secret }: { keyId: string; secret: Uint8Array }): object {
    const head = encode({ alg: 'HS256', kid: keyId, url });
    const payload = encode(this.#jwk);
    const signature = createHmac('sha256', secret).update(`${head}.${payload}`).digest('base64url');
    return { protected: head, payload, signature };
  }
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function parse<T>(schema: z.ZodType<T>, { text, status }: AcmeAnswer): T {
  const parsed = schema.safeParse(jsonOf(text));
  if (parsed.success) return parsed.data;
  throw acmeFailed(`This is no answer of an ACME directory (${status}): look at the directory address.`);
}

function locationOf({ headers }: AcmeAnswer): string {
  const { location } = headers;
  if (typeof location === 'string') return location;
  throw acmeFailed('The authority does not say where what it made is.');
}

function textOf({ type, detail, subproblems = [] }: z.infer<typeof problem>): string {
  const kind = type.replace(/^urn:ietf:params:acme:error:/, '');
  return [detail === '' ? kind : `${detail} (${kind})`, ...subproblems.map((one) => one.detail)].join('; ');
}

/** RFC 9110, 10.2.3. */
function retryAfter({ headers }: AcmeAnswer): number | undefined {
  const text = headers['retry-after'];
  if (typeof text !== 'string') return undefined;
  const seconds = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined;
}
