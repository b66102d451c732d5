import type { ClientSettings } from '@bascule/protocol/client-program.ts';
import type { ToClient } from '@bascule/protocol/control-link.ts';
import type { DialTarget } from './dial.ts';

/** How long one address may take, from the first packet to the end of the handshake, while there are others. */
const SHARED_DIAL_LIMIT_MS = 6_000;
/** The same in the first round of a client with sessions: one that hangs accepts a connection, and says nothing. Each further round allows more, for links and machines that are slow. */
const HURRIED_DIAL_LIMIT_MS = 750;
const HURRIED_GROWTH = 1.5;
/** An address where nobody answered is left alone for so long, and twice as long each time after it; less at random, so that those who lost it together do not come together. */
const REST_FIRST_MS = 250;
const REST_MAX_MS = 2_000;
const REST_JITTER = 0.5;

type Address = NonNullable<ClientSettings['addresses']>[number];

/**
 * Where the site may be: what the site has told, and what was configured. One address is dialled until it fails; then the others in turn, each once, before the client
 * pauses. One where nobody answered rests: the others are tried meanwhile. A client that knows one address only dials that.
 */
export class SiteAddresses {
  readonly #configured: DialTarget;
  readonly #told: () => ClientSettings['addresses'];
  #now: Address;
  /** Where the site last took this client. */
  #good: Address | undefined;
  readonly #failed = new Set<string>();
  /** Where nobody answered, since the site last took this client. */
  readonly #resting = new Map<string, { untilMs: number; times: number }>();
  readonly #clock: () => number;
  /** In which nobody took the client, and somebody did not answer. */
  #slowRounds = 0;
  #roundAtMs: number;

  /** `told`: what the site last said. */
  constructor(configured: DialTarget, told: () => ClientSettings['addresses'], clock: () => number = () => performance.now()) {
    this.#configured = configured;
    this.#told = told;
    this.#clock = clock;
    this.#roundAtMs = clock();
    this.#now = this.#all()[0]!;
  }

  /** Where to dial now, for control links, data links and parcels alike. */
  get now(): DialTarget {
    const { proxy, localAddress } = this.#configured;
    return { ...this.#now, proxy, ...(localAddress !== undefined && { localAddress }) };
  }

  /** For people. */
  get text(): string {
    return textOf(this.#now);
  }

  /** There is more than one: a link that is silent is given up sooner. */
  get areSeveral(): boolean {
    return this.#all().length > 1;
  }

  /** For one try; `isHurried`: sessions live. Undefined: as long as any dial may take. */
  dialLimitMs(isHurried: boolean): number | undefined {
    if (!this.areSeveral) return undefined;
    if (!isHurried) return SHARED_DIAL_LIMIT_MS;
    return Math.min(SHARED_DIAL_LIMIT_MS, Math.round(HURRIED_DIAL_LIMIT_MS * HURRIED_GROWTH ** this.#slowRounds));
  }

  /** Nobody took the client here (`wasReached`: somebody answered, and did not take it): whether there is another address to be tried before the next pause; it is the next. */
  failed(wasReached: boolean): boolean {
    this.#failed.add(textOf(this.#now));
    if (wasReached) this.#resting.delete(textOf(this.#now));
    else this.#rest(textOf(this.#now));
    const awake = this.#all().filter((address) => this.#restMs(address) === 0);
    const next = awake.find((address) => !this.#failed.has(textOf(address)));
    this.#now = next ?? (awake.length > 0 ? this.#first(awake) : this.#firstAwake());
    if (next === undefined) {
      this.#failed.clear();
      this.#endRound();
    }
    return next !== undefined;
  }

  /** The site took the client here; whether that is elsewhere than the last time. */
  accepted(): boolean {
    this.#failed.clear();
    this.#resting.clear();
    this.#slowRounds = 0;
    this.#roundAtMs = this.#clock();
    const hasMoved = this.#good !== undefined && textOf(this.#good) !== textOf(this.#now);
    this.#good = this.#now;
    return hasMoved;
  }

  /** How long the address that is next is still left alone. */
  get restMs(): number {
    return this.#restMs(this.#now);
  }

  #rest(text: string): void {
    const times = this.#resting.get(text)?.times ?? 0;
    const mostMs = Math.min(REST_MAX_MS, REST_FIRST_MS * 2 ** times);
    const untilMs = this.#clock() + mostMs * (1 - REST_JITTER * Math.random());
    this.#resting.set(text, { untilMs, times: Math.min(times + 1, 30) });
  }

  #restMs(address: Address): number {
    const resting = this.#resting.get(textOf(address));
    return resting === undefined ? 0 : Math.max(0, resting.untilMs - this.#clock());
  }

  /** Of those that rest all. */
  #firstAwake(): Address {
    return this.#all().reduce((first, address) => (this.#restMs(address) < this.#restMs(first) ? address : first));
  }

  /** Addresses that refuse at once need no more time. */
  #endRound(): void {
    const nowMs = this.#clock();
    if (nowMs - this.#roundAtMs >= HURRIED_DIAL_LIMIT_MS) this.#slowRounds += 1;
    this.#roundAtMs = nowMs;
  }

  /** Where the next round begins: where the site was last, if it may still be there. */
  #first(all: Address[]): Address {
    const good = this.#good;
    return all.find((address) => good !== undefined && textOf(address) === textOf(good)) ?? all[0]!;
  }

  /** In the order in which they are tried; the configured one is never forgotten, and comes first at a site that is no pair. */
  #all(): Address[] {
    const { host, port } = this.#configured;
    const told = this.#told() ?? [];
    const all = told.length > 1 ? [...told, { host, port }] : [{ host, port }, ...told];
    return all.filter((address, index) => all.findIndex((other) => textOf(other) === textOf(address)) === index);
  }
}

type Refused = Extract<ToClient, { kind: 'refused' }>;

/** Whether a refusal says where the site is: only that of an appliance which says that it is elsewhere. */
export function leadsElsewhere(message: Refused): message is Refused & Required<Pick<Refused, 'addresses'>> {
  return message.elsewhere === true && message.addresses !== undefined;
}

function textOf({ host, port }: Address): string {
  return `${host}:${port}`;
}
