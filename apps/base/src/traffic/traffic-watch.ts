import { Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import https from 'node:https';
import { publicState } from '@bascule/protocol/api/appliance.ts';
import type { TrafficState } from '@bascule/protocol/api/network.ts';

/** Looked at again when it is asked for and older than this. */
export const WATCH_LIFE_MS = 5_000;
const RESOLVE_WAIT_MS = 2_000;
const ANSWER_WAIT_MS = 3_000;
const ANSWER_MAX_BYTES = 16 * 1024;
const ADDRESSES_MAX = 16;

type Resolution = TrafficState['resolution'];
export interface NameResolver {
  resolve4(name: string): Promise<string[]>;
  resolve6(name: string): Promise<string[]>;
}

/** Where the shared name leads, and which appliance answers there: what tells a person whether a swing by hand has come through. */
export class ResolutionWatch {
  readonly #name: string;
  readonly #port: number;
  readonly #instance: string;
  readonly #resolver: NameResolver;
  #latest: Resolution = [];
  #atMs = -Infinity;
  #running: Promise<Resolution> | undefined;

  /** `instance`: what this very base answers as its own. */
  constructor(at: { name: string; port: number; instance: string; resolver?: NameResolver }) {
    this.#name = at.name;
    this.#port = at.port;
    this.#instance = at.instance;
    // Not the system's cache, and no file of hosts: what others are told.
    this.#resolver = at.resolver ?? new Resolver({ timeout: RESOLVE_WAIT_MS, tries: 1 });
  }

  /** What was found last; looks anew in the background when that is old. */
  get latest(): Resolution {
    void this.look();
    return this.#latest;
  }

  /** Never rejects: a name that does not resolve has no addresses. */
  look(): Promise<Resolution> {
    if (performance.now() - this.#atMs < WATCH_LIFE_MS && this.#running === undefined) return Promise.resolve(this.#latest);
    this.#running ??= this.#look().finally(() => (this.#running = undefined));
    return this.#running;
  }

  async #look(): Promise<Resolution> {
    const found = await this.#addresses();
    this.#latest = await Promise.all(
      found.slice(0, ADDRESSES_MAX).map(async (address) => ({ address, ...(await this.#whoAnswers(address)) })),
    );
    this.#atMs = performance.now();
    return this.#latest;
  }

  async #addresses(): Promise<string[]> {
    if (isIP(this.#name) !== 0) return [this.#name];
    const both = await Promise.allSettled([this.#resolver.resolve4(this.#name), this.#resolver.resolve6(this.#name)]);
    return both.flatMap((outcome) => (outcome.status === 'fulfilled' ? outcome.value : []));
  }

  /** `answersAs`: the appliance's name; empty when somebody answers /login who does not say it; null when nobody does. */
  async #whoAnswers(address: string): Promise<Omit<Resolution[number], 'address'>> {
    const state = await this.#ask(address, '/appliance/api/state');
    try {
      const parsed = publicState.safeParse(JSON.parse(state?.body ?? ''));
      if (parsed.success) return { answersAs: parsed.data.applianceName, isHere: parsed.data.instance === this.#instance };
    } catch {
      // Somebody else's page, or none.
    }
    const login = await this.#ask(address, '/login');
    return { answersAs: login === undefined || login.status >= 500 ? null : '', isHere: false };
  }

  #ask(address: string, path: string): Promise<{ status: number; body: string } | undefined> {
    return new Promise((resolve) => {
      const request = https.get(
        {
          host: address,
          port: this.#port,
          path,
          headers: { host: `${this.#name}${this.#port === 443 ? '' : `:${this.#port}`}` },
          ...(isIP(this.#name) === 0 && { servername: this.#name }),
          // Who it is, is what is asked here; nothing secret is said.
          rejectUnauthorized: false,
          agent: false,
          timeout: ANSWER_WAIT_MS,
        },
        (response) => {
          let body = '';
          response.setEncoding('utf8').on('data', (piece: string) => {
            body += piece;
            if (body.length > ANSWER_MAX_BYTES) response.destroy();
          });
          response.once('close', () => resolve({ status: response.statusCode ?? 0, body }));
        },
      );
      const late = setTimeout(() => request.destroy(), ANSWER_WAIT_MS);
      request.once('timeout', () => request.destroy());
      request.once('error', () => resolve(undefined));
      request.once('close', () => {
        clearTimeout(late);
        resolve(undefined);
      });
    });
  }
}
