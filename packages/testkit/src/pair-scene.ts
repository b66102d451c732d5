/** Two appliances as real processes on this machine, that can be made a failover pair, and what people do on their Failover pages. */
import { z } from 'zod';
import { failoverState, type EstablishRequest, type FailoverState } from '@bascule/protocol/api/failover.ts';
import { ApiClient, ApiFailure } from './api-client.ts';
import { launchAppliance, type LaunchedAppliance, type LaunchOptions } from './launch-appliance.ts';
import type { MachineDoor } from './machine-door.ts';
import { SITE_PASSWORD } from './upgrade-scene.ts';
import { waitUntil } from './wait-until.ts';

/** What a first copy or a change of roles takes at most, on a machine that does much else, too. */
export const PAIR_LIMIT_MS = 120_000;
const PRE_SHARED_KEY = 'a key that two appliances share, and nobody else';

/** One appliance of the two. */
export class PairSide {
  readonly name: 'a' | 'b';
  readonly appliance: LaunchedAppliance;
  /** Logged in as `admin`. */
  site: ApiClient;

  readonly #door: MachineDoor | undefined;

  constructor(name: 'a' | 'b', appliance: LaunchedAppliance, site: ApiClient, door?: MachineDoor) {
    this.#door = door;
    this.name = name;
    this.appliance = appliance;
    this.site = site;
  }

  get endpoint(): { host: string; port: number } {
    return { host: this.appliance.address, port: this.appliance.port };
  }

  /** Where connections go that are passed on to it. */
  endpointOf(): { address: string; port: number } {
    return { address: this.appliance.address, port: this.appliance.port };
  }

  async state(): Promise<FailoverState> {
    return this.#loggedIn(() => this.site.call('GET', 'failover', failoverState));
  }

  /** Waits until the state of this side is as `wanted` says. */
  async until(what: string, wanted: (state: FailoverState) => boolean): Promise<FailoverState> {
    return waitUntil(
      `${this.name}: ${what}`,
      async () => {
        const state = await this.state();
        return wanted(state) ? state : undefined;
      },
      PAIR_LIMIT_MS,
    ).catch((error: unknown) => this.appliance.fail(error));
  }

  /** A request by the administrator, who logs in again when that is needed. */
  async call<S extends z.ZodType>(method: string, path: string, schema: S, body?: unknown): Promise<z.infer<S>> {
    return this.#loggedIn(() => this.site.call(method, path, schema, body));
  }

  /** Does something on the Failover page. */
  async act(what: string, body: unknown = {}): Promise<void> {
    await this.#loggedIn(() => this.site.call('POST', `failover/${what}`, z.unknown(), body));
  }

  /** Logs in again when that is needed: the users of the other appliance may be here now. */
  async #loggedIn<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof ApiFailure) || error.status !== 401) throw error;
      const client = await ApiClient.pin(this.appliance.url, '/api', this.#door);
      if ((await client.logIn('admin', SITE_PASSWORD)) !== 'ok') throw error;
      this.site = client;
      return await work();
    }
  }
}

export class PairScene implements AsyncDisposable {
  readonly a: PairSide;
  readonly b: PairSide;

  constructor(a: PairSide, b: PairSide) {
    this.a = a;
    this.b = b;
  }

  /** Starts both; their administrators have taken over. `ofSide`: what one of them has besides. */
  static async start(options: LaunchOptions = {}, ofSide: Partial<Record<'a' | 'b', LaunchOptions>> = {}): Promise<PairScene> {
    const begin = (name: 'a' | 'b', address: string) => {
      const environment = { ...options.environment, ...ofSide[name]?.environment };
      return startSide(name, address, { ...options, ...ofSide[name], environment });
    };
    const [a, b] = await Promise.all([begin('a', '127.0.0.1'), begin('b', '127.0.0.2')]);
    return new PairScene(a, b);
  }

  get sides(): readonly [PairSide, PairSide] {
    return [this.a, this.b];
  }

  other(side: PairSide): PairSide {
    return side === this.a ? this.b : this.a;
  }

  /** Sets the same pre-shared key on both, establishes `primary` with the other as its backup, and waits until the copy follows. */
  async establish(primary: PairSide = this.a, options: Partial<EstablishRequest> = {}): Promise<void> {
    const backup = this.other(primary);
    await this.setKeys();
    await primary.act('establish', {
      backup: backup.endpoint,
      primary: primary.endpoint,
      withCertificate: false,
      mode: 'async',
      ...options,
    });
    await primary.until('has a backup', ({ self, peer }) => self.role === 'primary' && peer?.role === 'backup');
    await backup.until('is the backup', ({ self }) => self.role === 'backup');
    await this.caughtUp(primary);
  }

  async setKeys(): Promise<void> {
    for (const { site } of this.sides) await site.call('PUT', 'security/pre-shared-key', z.unknown(), { key: PRE_SHARED_KEY });
  }

  /** Waits until the backup of `primary` has everything that is there now. */
  async caughtUp(primary: PairSide): Promise<void> {
    await primary.until('its backup has everything', ({ copy }) => copy !== null && isWhole(copy));
  }

  /** Swaps roles by the button on the backup's page, and waits until both sides say so. */
  async swap(): Promise<PairSide> {
    const [one] = await Promise.all(this.sides.map(async (side) => ({ side, role: (await side.state()).self.role })));
    const backup = one?.role === 'backup' ? one.side : this.other(one?.side ?? this.a);
    await backup.act('become-primary', { pullFirst: true });
    await backup.until('is primary', ({ self }) => self.role === 'primary');
    await this.other(backup).until('is backup', ({ self }) => self.role === 'backup');
    return backup;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.sides.map(({ appliance }) => appliance[Symbol.asyncDispose]()));
  }
}

const isWhole = (copy: NonNullable<FailoverState['copy']>): boolean =>
  copy.state === 'following' && copy.lagChanges === 0 && copy.recordingBytesLeft === 0 && copy.fileBytesLeft === 0;

async function startSide(name: 'a' | 'b', address: string, options: LaunchOptions): Promise<PairSide> {
  const environment = { ...options.environment, BASCULE_APPLIANCE: name === 'a' ? 'north' : 'south' };
  const appliance = await launchAppliance({ ...options, environment, address });
  const site = await ApiClient.pin(appliance.url);
  await site.takeOver(appliance.passwords.login, SITE_PASSWORD);
  return new PairSide(name, appliance, site);
}
