import { z } from 'zod';
import { bootClockMs } from '@bascule/core/boot-clock.ts';
import { newId } from '@bascule/core/ids.ts';
import { AppError, notFound } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import {
  IP_ADDRESSES_MAX,
  type AccessType,
  type IpAddress,
  type IpAddressChange,
  type IpConfiguration,
} from '@bascule/protocol/api/network.ts';
import { helperDevices, type HelperDevice } from '@bascule/protocol/helper-verbs.ts';
import type { Context, Store, Tx } from '@bascule/store/store.ts';
import type { Changes, UndoPart } from '../changes/changes.ts';
import { checkedDraft, cuts, isAdrift, isAsWanted, ownDevices, refuseTaken } from './address-rules.ts';
import { AddressStore, storedRows, type AddressDraft, type AddressRow } from './address-store.ts';
import type { HelperClient } from './helper-client.ts';
import { cannotChange } from './cannot-change.ts';
import { plainAddress } from './ip-address.ts';

/** How often the kernel is looked at: what somebody else took away is put back. */
export const RECONCILE_INTERVAL_MS = 10_000;
/** The verbs without which no address can be changed. */
const VERBS = ['address-add', 'address-drop', 'address-list'];
const KIND = 'addresses';
const FOREVER = 'forever';
const CERTIFICATE_NAME = 'factory-default';

export interface AddressesOptions {
  store: Store;
  helper: HelperClient;
  changes: Changes;
  /** For whom the certificate that is served at an address is issued; undefined: the self-made one (B13). */
  certificateOf?(address: string): string | undefined;
  log: Log;
}

/** What `hold` did. */
export interface Holding {
  /** Addresses that the machine did not have a moment ago: to be announced. */
  gained: AddressRow[];
  held: AddressRow[];
}

/** Networking > IP configuration (B10-B13): the appliance's own addresses, in box.db, and on the machine by the helper. */
export class Addresses {
  readonly #options: AddressesOptions;
  readonly #rows: AddressStore;
  /** By address; replaced at each change, since the front door looks for each connection. */
  #accessTypes = new Map<string, AccessType>();
  readonly #errors = new Map<string, string>();
  /** Shared addresses that are held, and until when on the boot clock. */
  readonly #heldUntilMs = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #applying: Promise<void> = Promise.resolve();

  constructor(options: AddressesOptions) {
    this.#options = options;
    this.#rows = new AddressStore(options.store);
    this.#noteAccessTypes();
    options.changes.register({
      kind: KIND,
      schema: storedRows,
      restore: (tx, before) => this.#rows.replaceAll(tx, before),
      applied: () => this.#applied(),
    });
  }

  /** Gives the machine its addresses, and again whenever one is missing. Never rejects. */
  async start(): Promise<void> {
    this.#timer = setInterval(() => void this.apply(), RECONCILE_INTERVAL_MS).unref();
    await this.apply();
  }

  /** The machine keeps its addresses; shared ones end by themselves. */
  close(): void {
    clearInterval(this.#timer);
  }

  /** What may be done by the address of ours at which a connection arrived. Those that are not on the list may have everything. */
  accessOf(localAddress: string): AccessType {
    return this.#accessTypes.get(plainAddress(localAddress)) ?? 'both';
  }

  /** Enabled addresses that only whoever is primary holds. */
  shared(): AddressRow[] {
    return this.#rows.all().filter((row) => row.enabled && row.shared);
  }

  rows(): AddressRow[] {
    return this.#rows.all();
  }

  /** The list with what the kernel has now. */
  async look(): Promise<Pick<IpConfiguration, 'addresses' | 'devices' | 'canApply' | 'cannotApply' | 'cannotAnnounce'>> {
    const cannotApply = await this.#whyNotApplied();
    const devices = cannotApply === null ? await this.#devices().catch(() => ownDevices()) : ownDevices();
    return {
      addresses: this.#rows.all().map((row) => this.#state(row, devices)),
      devices: devices.map(({ name, up, mac, addresses }) => ({
        name,
        up,
        mac,
        addresses: addresses.map(({ address, prefix, ours }) => ({ address, prefix, ours })),
      })),
      canApply: cannotApply === null,
      cannotApply,
      cannotAnnounce: cannotApply === null ? await this.#whyNotAnnounced() : null,
    };
  }

  /** Adds an address. `from`: the address of ours by which the person is here. Throws `IP_ADDRESS_…`, `IP_PREFIX_INVALID`, `NETWORK_CUTS_YOU`, `CHANGE_PENDING`. */
  async add(context: Context, change: IpAddressChange, from: string): Promise<void> {
    const draft = checkedDraft(change);
    const rows = this.#rows.all();
    if (rows.length >= IP_ADDRESSES_MAX)
      throw new AppError('conflict', 'IP_ADDRESSES_FULL', `There are ${IP_ADDRESSES_MAX} addresses already: remove one first.`, {
        params: { most: IP_ADDRESSES_MAX },
      });
    refuseTaken(rows, draft, undefined);
    await this.#make(context, undefined, { id: newId('ipAddress'), ...draft }, change, from);
  }

  /** As `add`; also `NOT_FOUND`. */
  async change(context: Context, id: string, change: IpAddressChange, from: string): Promise<void> {
    const before = this.#find(id);
    const draft = checkedDraft(change);
    refuseTaken(this.#rows.all(), draft, id);
    await this.#make(context, before, { id, ...draft }, change, from);
  }

  /** As `change`. */
  async remove(context: Context, id: string, acceptCut: boolean, from: string): Promise<void> {
    await this.#make(context, this.#find(id), undefined, { acceptCut }, from);
  }

  /** For an import: instead of all there are, inside its transaction. */
  replaceAll(tx: Tx, rows: readonly AddressRow[]): void {
    this.#rows.replaceAll(tx, rows);
  }

  /** What is put back when a change of addresses is undone. */
  before(): UndoPart[] {
    return [{ kind: KIND, before: this.#rows.all() }];
  }

  /** Makes the machine's addresses what they are to be; shared ones are left to `hold` and `release`. Never rejects. */
  apply(): Promise<void> {
    this.#applying = this.#applying.then(() => this.#apply());
    return this.#applying;
  }

  /**
   * Holds the shared addresses until the instant `untilMs` of the boot clock: the kernel drops them then by itself. Whole seconds; less than one is not held. Never
   * rejects: what could not be held is shown with its reason.
   */
  async hold(untilMs: number): Promise<Holding> {
    const until = String(Math.floor(untilMs));
    const gained: AddressRow[] = [];
    const held: AddressRow[] = [];
    await Promise.all(
      this.shared().map(async (row) => {
        if (!(await this.#add(row, until))) return;
        held.push(row);
        if ((this.#heldUntilMs.get(row.address) ?? 0) < bootClockMs()) gained.push(row);
        this.#heldUntilMs.set(row.address, untilMs);
      }),
    );
    return { gained, held };
  }

  /** Drops the shared addresses at once. Never rejects. */
  async release(): Promise<void> {
    const held = [...this.#heldUntilMs.keys()];
    this.#heldUntilMs.clear();
    if (held.length === 0) return;
    await this.#dropWhere((address, ours) => ours && held.includes(address));
  }

  /** Says on the wire that the address is here. Throws as the helper does. */
  async announce({ device, address }: AddressRow): Promise<void> {
    await this.#options.helper.ask('announce', { device, address }, z.null());
  }

  async #applied(): Promise<void> {
    this.#noteAccessTypes();
    this.#errors.clear();
    await this.apply();
  }

  async #apply(): Promise<void> {
    try {
      if ((await this.#whyNotApplied()) !== null) return;
      const rows = this.#rows.all();
      const wanted = rows.filter((row) => row.enabled && !row.shared);
      const devices = await this.#devices();
      const has = (row: AddressRow): boolean =>
        devices.some(({ name, addresses }) =>
          addresses.some(
            (one) => one.address === row.address && (!one.ours || (name === row.device && one.prefix === row.prefix)),
          ),
        );
      // What has moved to another port or mask goes first; else the new one comes before the old one goes, so that somebody can still get in.
      const isMoved = (name: string, one: HelperDevice['addresses'][number]): boolean =>
        one.ours && rows.some((row) => row.address === one.address && !isAsWanted(row, name, one));
      await this.#drop(devices, isMoved);
      for (const row of wanted) {
        if (has(row) && !isAdrift(row, devices)) continue;
        if (await this.#add(row, FOREVER)) void this.announce(row).catch(() => undefined); // Nobody waits for it.
      }
      const kept = new Set(rows.filter((row) => row.enabled).map(({ address }) => address));
      await this.#drop(devices, (_, one) => one.ours && !kept.has(one.address));
    } catch (error) {
      this.#options.log.warn({ err: error }, 'network.not-applied');
    }
  }

  async #add({ device, address, prefix }: AddressRow, until: string): Promise<boolean> {
    try {
      await this.#options.helper.ask('address-add', { device, address, prefix: String(prefix), until }, z.null());
      this.#errors.delete(address);
      return true;
    } catch (error) {
      const reason = error instanceof AppError ? String(error.params['reason'] ?? error.message) : String(error);
      if (this.#errors.get(address) !== reason) this.#options.log.warn({ address, device, reason }, 'network.address-not-added');
      this.#errors.set(address, reason);
      return false;
    }
  }

  async #dropWhere(isWanted: (address: string, ours: boolean) => boolean): Promise<void> {
    try {
      await this.#drop(await this.#devices(), (_, one) => isWanted(one.address, one.ours));
    } catch (error) {
      this.#options.log.warn({ err: error }, 'network.not-dropped');
    }
  }

  async #drop(
    devices: HelperDevice[],
    isWanted: (device: string, one: HelperDevice['addresses'][number]) => boolean,
  ): Promise<void> {
    for (const { name: device, addresses } of devices)
      for (const one of addresses) {
        if (!isWanted(device, one)) continue;
        const { address } = one;
        await this.#options.helper.ask('address-drop', { device, address }, z.null());
        this.#options.log.info({ address, device }, 'network.address-dropped');
      }
  }

  async #devices(): Promise<HelperDevice[]> {
    return await this.#options.helper.ask('address-list', {}, helperDevices);
  }

  async #whyNotApplied(): Promise<IpConfiguration['cannotApply']> {
    return await cannotChange(this.#options.helper, VERBS);
  }

  async #whyNotAnnounced(): Promise<string | null> {
    const { missing } = await this.#options.helper.describe();
    const families = new Set(this.shared().map(({ address }) => (address.includes(':') ? 6 : 4)));
    return (families.has(4) ? missing?.announce4 : null) ?? (families.has(6) ? missing?.announce6 : null) ?? null;
  }

  #state(row: AddressRow, devices: HelperDevice[]): IpAddress {
    const found = devices.flatMap(({ name, addresses }) =>
      addresses.filter(({ address }) => address === row.address).map((one) => ({ name, ...one })),
    );
    const here = found.find(({ name, ours }) => ours && name === row.device);
    const error = found.some(({ isDuplicate }) => isDuplicate)
      ? 'another machine has this address'
      : (this.#errors.get(row.address) ?? null);
    const state = ((): IpAddress['state'] => {
      if (here !== undefined) return 'held';
      if (found.some(({ ours }) => !ours)) return 'foreign';
      if (!devices.some(({ name }) => name === row.device)) return 'no-device';
      return error !== null && row.enabled ? 'refused' : 'not-held';
    })();
    return {
      ...row,
      state,
      lifeLeftSeconds: here?.lifeLeftSeconds ?? null,
      error: state === 'refused' || (state === 'held' && error !== null) ? error : null,
      certificate: this.#options.certificateOf?.(row.address) ?? CERTIFICATE_NAME,
    };
  }

  #find(id: string): AddressRow {
    const row = this.#rows.all().find((one) => one.id === id);
    if (row === undefined) throw notFound();
    return row;
  }

  /** Throws when the person was not told that this cuts their way, or another change waits. */
  async #make(
    context: Context,
    before: AddressRow | undefined,
    after: AddressRow | undefined,
    { acceptCut }: Pick<IpAddressChange, 'acceptCut'>,
    from: string,
  ): Promise<void> {
    const { changes } = this.#options;
    changes.assertNonePending();
    const mightCut = await this.#cuts(before, after, plainAddress(from));
    if (mightCut && acceptCut !== true) {
      const params = { address: plainAddress(from), seconds: changes.confirmWithinMs / 1000 };
      throw new AppError(
        'conflict',
        'NETWORK_CUTS_YOU',
        `You are here by ${params.address}, which this change cuts. It is undone after ${params.seconds} s unless you confirm it by a new connection.`,
        { params },
      );
    }
    const about = before?.address ?? after?.address ?? '';
    const change = { ...this.#rows.change(before, after), parts: this.before(), about };
    await changes.make(context, change, { mightCut, accepted: acceptCut === true });
  }

  async #cuts(before: AddressRow | undefined, after: AddressDraft | undefined, from: string): Promise<boolean> {
    const { devices } = await this.look();
    const isOurs = devices.some(({ addresses }) => addresses.some((one) => one.ours && one.address === from));
    return cuts(before, after, from, isOurs);
  }

  #noteAccessTypes(): void {
    const rows = this.#rows.all().filter((row) => row.enabled);
    this.#accessTypes = new Map(rows.map(({ address, accessType }) => [address, accessType]));
  }
}
