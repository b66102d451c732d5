import { createHash, generateKeyPairSync, randomBytes, X509Certificate, type KeyObject } from 'node:crypto';
import { request } from 'node:http';
import type { ClientSettings, ClientSoftware, Parcel, UpgradeOrder, UpgradeReport } from '@bascule/protocol/client-program.ts';
import { LINK_ALPN, LINK_SERVER_NAME, type ClientFacts, type FromClient, type ToClient } from '@bascule/protocol/control-link.ts';
import { BackOff } from '@bascule/wire/back-off.ts';
import { ControlLink } from '@bascule/client/control-link.ts';
import { dial } from '@bascule/client/dial.ts';
import { enrolVerified } from '@bascule/client/enrol.ts';
import { LinkPace } from '@bascule/client/link-pace.ts';
import { NextDial, type LinkEnd } from '@bascule/client/next-dial.ts';
import { SiteAddresses } from '@bascule/client/site-addresses.ts';

/** Source addresses are spread, for the appliance counts handshakes per address. */
const SOURCE_ADDRESSES = 200;
/** wire 3.8 */
const BACK_OFF_FIRST_MS = 1000;
const BACK_OFF_MAX_MS = 60_000;
/** The window of the first connects, when no `accepted` has named one yet. */
const FIRST_WINDOW_MS = 30_000;
/** A real client unpacks, checks, stops and starts again within about this. */
const RESTART_MS = { least: 1000, most: 2000 };
/** As in the client's trial-health.ts, with the shell that it probes. */
const PROVED_AFTER_MS = 5300;
const PROGRESS_EVERY_MS = 2000;
const DOWNLOAD_TRIES = 6;
const DOWNLOAD_BACK_OFF_MAX_MS = 2000;
const FREE_BYTES = 50_000_000_000;

/** What came of all clients of one process. */
export interface FleetTally {
  enrolled: number;
  connected: number;
  upgraded: number;
  failures: number;
  /** Whole parcels that were fetched and had the hash that was ordered. */
  parcels: number;
  received(bytes: number): void;
  /** An upgrade was begun (its order came), or has ended. */
  upgrade(change: 1 | -1): void;
}

export interface SimulatedClientOptions {
  index: number;
  host: string;
  port: number;
  /** Where it dials from; one of many loopback addresses if absent. */
  localAddress?: string | undefined;
  authority: string;
  software: Pick<ClientSoftware, 'version' | 'revision' | 'bundle' | 'runtime'>;
  tally: FleetTally;
}

/** A Jump Client as the real one behaves on the wire, without its shells, its disk, and its program. */
export class SimulatedClient {
  readonly #tally: FleetTally;
  readonly #addresses: SiteAddresses;
  /** Of this start of the program. */
  #pace = new LinkPace(false);
  readonly #facts: ClientFacts;
  readonly #authority: string;
  readonly #key: KeyObject;
  readonly #keyPem: string;
  #software: ClientSoftware;
  #certificate = '';
  #record: string | undefined;
  #instance = randomBytes(16).toString('hex');
  #session: Buffer | undefined;
  #connected = false;
  #told: ClientSettings['addresses'];
  #beatMs: number | undefined;
  #refused: Extract<ToClient, { kind: 'refused' }> | undefined;
  #link: ControlLink | undefined;
  #work: { order: UpgradeOrder; abort: AbortController } | undefined;
  #report: UpgradeReport | undefined;
  #isRestarting = false;
  #proving: NodeJS.Timeout | undefined;

  constructor({ index, host, port, localAddress, authority, software, tally }: SimulatedClientOptions) {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.#tally = tally;
    this.#key = privateKey;
    this.#keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    this.#authority = authority;
    const target = { host, port, proxy: undefined, localAddress: localAddress ?? `127.0.1.${1 + (index % SOURCE_ADDRESSES)}` };
    this.#addresses = new SiteAddresses(target, () => this.#told);
    this.#facts = {
      hostName: `host-${index}`,
      os: 'Debian GNU/Linux 12 (bookworm)',
      arch: 'x64',
      addresses: [`10.0.${index >> 8}.${index & 255}`],
      user: 'root',
      version: software.version,
    };
    this.#software = {
      ...software,
      program: 'jump-client',
      platform: 'linux-x64',
      mode: 'active',
      upgradable: true,
      trial: false,
      dials: { host, port, proxy: false },
      freeBytes: FREE_BYTES,
      authority: createHash('sha256').update(new X509Certificate(authority).raw).digest('hex'),
    };
  }

  /** Until it is enrolled. */
  async enrol(token: string): Promise<void> {
    const how = {
      target: this.#addresses.now,
      token,
      authority: this.#authority,
      key: this.#key,
      name: undefined,
      facts: this.#facts,
    };
    const backOff = new BackOff(BACK_OFF_FIRST_MS, BACK_OFF_MAX_MS);
    for (;;) {
      try {
        this.#certificate = (await enrolVerified(how)).certificate;
        this.#tally.enrolled += 1;
        return;
      } catch {
        this.#tally.failures += 1;
        await pause(backOff.next());
      }
    }
  }

  /** Keeps a link from now on. */
  async run(): Promise<never> {
    let waitMs = Math.random() * FIRST_WINDOW_MS;
    for (;;) {
      await pause(waitMs);
      waitMs = this.#waitMs(await this.#connectOnce());
    }
  }

  #waitMs(end: LinkEnd): number {
    if (!this.#isRestarting) return new NextDial(this.#addresses, this.#pace).waitMs(end, false);
    this.#isRestarting = false;
    this.#pace = new LinkPace(true);
    return RESTART_MS.least + Math.random() * (RESTART_MS.most - RESTART_MS.least);
  }

  async #connectOnce(): Promise<LinkEnd> {
    const limits = new NextDial(this.#addresses, this.#pace).limits('link', false);
    const tls = { ...this.#tls(), ...limits, session: this.#session, onSession: (made: Buffer) => (this.#session = made) };
    this.#refused = undefined;
    this.#beatMs = undefined;
    const events = {
      hello: () => this.#hello(),
      message: (message: ToClient) => this.#received(message),
      beatMs: () => (this.#addresses.areSeveral ? this.#beatMs : undefined),
    };
    try {
      this.#link = await ControlLink.open(this.#addresses.now, tls, events, NEVER);
      await this.#link.ended;
    } catch {
      this.#tally.failures += 1;
      this.#session = undefined;
    }
    const end = { link: this.#link, accepted: this.#connected, refused: this.#refused };
    this.#link = undefined;
    clearTimeout(this.#proving);
    if (this.#connected) this.#tally.connected -= 1;
    this.#connected = false;
    return end;
  }

  #tls(): { authority: string; key: string; certificate: string } {
    return { authority: this.#authority, key: this.#keyPem, certificate: this.#certificate };
  }

  #hello(): FromClient {
    return {
      kind: 'hello',
      versions: [1],
      instance: this.#instance,
      facts: this.#facts,
      sessions: [],
      software: this.#software,
      ...(this.#report && { upgrade: this.#report }),
      ...(this.#record !== undefined && { record: this.#record }),
    };
  }

  #received(message: ToClient): void {
    switch (message.kind) {
      case 'accepted':
        this.#accepted(message);
        break;
      case 'come-back':
        this.#pace.comeBack(message);
        break;
      case 'refused':
        this.#refused = message;
        break;
      case 'settings':
        this.#told = message.settings.addresses;
        this.#beatMs = message.settings.beatMs;
        break;
      case 'upgrade':
        this.#ordered(message);
        break;
      case 'upgrade-cancel':
        if (this.#work?.order.order === message.order && !this.#software.trial) this.#forget();
        break;
      case 'upgrade-noted':
        if (this.#report?.order !== message.order) break;
        if (this.#report.state === 'done') this.#tally.upgraded += 1;
        this.#report = undefined;
        break;
      default:
        break;
    }
  }

  #accepted(message: Extract<ToClient, { kind: 'accepted' }>): void {
    this.#certificate = message.certificate ?? this.#certificate;
    this.#record = message.record ?? this.#record;
    this.#told = message.settings?.addresses ?? this.#told;
    this.#beatMs = message.settings?.beatMs ?? this.#beatMs;
    this.#addresses.accepted();
    if (this.#connected) return;
    this.#connected = true;
    this.#tally.connected += 1;
    this.#pace.accepted(message.reconnect);
    if (this.#software.trial) this.#proving = setTimeout(() => this.#proved(), PROVED_AFTER_MS);
  }

  #ordered(order: UpgradeOrder): void {
    if (this.#work?.order.order === order.order) {
      if (this.#report) this.#link?.send({ kind: 'upgrade-status', ...this.#report });
      return;
    }
    if (this.#software.trial) return;
    if (this.#work !== undefined) this.#forget();
    const work = { order, abort: new AbortController() };
    this.#work = work;
    this.#tally.upgrade(1);
    this.#upgrade(order, work.abort.signal).catch((error: unknown) => {
      if (work.abort.signal.aborted) return;
      this.#forget();
      this.#tally.failures += 1;
      this.#tell(order, 'failed', { failure: 'download-cut', reason: (error as Error).message });
    });
  }

  async #upgrade(order: UpgradeOrder, signal: AbortSignal): Promise<void> {
    this.#tell(order, 'downloading', { receivedBytes: 0 });
    if (order.runtime !== null) await this.#fetch(order, order.runtime.parcel, signal);
    await this.#fetch(order, order.parcel, signal);
    this.#tell(order, 'verifying');
    this.#tell(order, 'restarting');
    // The next program knows nothing but what is on the disk.
    this.#instance = randomBytes(16).toString('hex');
    this.#session = undefined;
    const { version, revision, sha256: bundle, runtime } = order;
    this.#software = {
      ...this.#software,
      version,
      revision,
      bundle,
      runtime: runtime?.sha256 ?? this.#software.runtime,
      trial: true,
    };
    this.#facts.version = version;
    this.#isRestarting = true;
    this.#link?.close();
  }

  /** The site accepted the candidate, and its link has held. */
  #proved(): void {
    const order = this.#work!.order;
    this.#software = { ...this.#software, trial: false };
    this.#pace.committed();
    this.#forget();
    this.#tell(order, 'done');
  }

  #forget(): void {
    if (this.#work === undefined) return;
    this.#work.abort.abort();
    this.#work = undefined;
    this.#report = undefined;
    this.#tally.upgrade(-1);
  }

  #tell(order: UpgradeOrder, state: UpgradeReport['state'], more: Partial<UpgradeReport> = {}): void {
    this.#report = { order: order.order, version: order.version, state, ...more, atMs: Date.now() };
    this.#link?.send({ kind: 'upgrade-status', ...this.#report });
  }

  /** Fetches a parcel over mutual TLS of its own, goes on where it was cut, and compares its hash. */
  async #fetch(order: UpgradeOrder, parcel: Parcel, signal: AbortSignal): Promise<void> {
    const hash = createHash('sha256');
    let received = 0;
    let toldMs = performance.now();
    const backOff = new BackOff(BACK_OFF_FIRST_MS, DOWNLOAD_BACK_OFF_MAX_MS);
    const take = (piece: Buffer) => {
      hash.update(piece);
      received += piece.length;
      this.#tally.received(piece.length);
      if (performance.now() - toldMs < PROGRESS_EVERY_MS) return;
      toldMs = performance.now();
      this.#tell(order, 'downloading', { receivedBytes: received });
    };
    for (let tries = 0; received < parcel.bytes; tries += 1) {
      if (tries === DOWNLOAD_TRIES) throw new Error(`${received} of ${parcel.bytes} bytes came`);
      if (tries > 0) await pause(backOff.next());
      await this.#fetchOnce(parcel, received, take, signal).catch(() => undefined);
      signal.throwIfAborted();
    }
    if (hash.digest('hex') !== parcel.sha256) throw new Error('the parcel is not what was ordered');
    this.#tally.parcels += 1;
  }

  async #fetchOnce(parcel: Parcel, from: number, take: (piece: Buffer) => void, signal: AbortSignal): Promise<void> {
    const socket = await dial(this.#addresses.now, { alpn: LINK_ALPN, ...this.#tls() }, signal);
    await new Promise<void>((resolve, reject) => {
      const asking = request({
        createConnection: () => socket,
        path: `/parcels/${parcel.sha256}`,
        headers: { host: LINK_SERVER_NAME, connection: 'close', ...(from > 0 && { range: `bytes=${from}-` }) },
        signal,
      });
      asking.once('error', reject);
      asking.once('response', (response) => {
        if (response.statusCode !== 200 && response.statusCode !== 206) reject(new Error(`${response.statusCode}`));
        else response.on('data', take);
        response.once('error', reject);
        response.once('end', resolve);
      });
      asking.end();
    }).finally(() => socket.destroy());
  }
}

const NEVER = new AbortController().signal;

function pause(waitMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, waitMs));
}
