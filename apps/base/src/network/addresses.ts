import { networkInterfaces } from 'node:os';
import { z } from 'zod';
import { bootClockMs } from '@bascule/core/boot-clock.ts';
import { AppError, notFound } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import {
  IP_ADDRESSES_MAX,
  type AccessType,
  type IpAddress,
  type IpAddressChange,
  type IpConfiguration,
  type NetworkDevice,
  type PendingChange,
} from '@bascule/protocol/api/network.ts';
import { helperDevices, type HelperDevice } from '@bascule/protocol/helper-verbs.ts';
import { SYSTEM, type Context, type Store } from '@bascule/store/store.ts';
import { AddressStore, type AddressDraft, type AddressRow, type PendingRow } from './address-store.ts';
import type { HelperClient } from './helper-client.ts';
import { checkedAddress, plainAddress } from './ip-address.ts';

/** A change that cut the address by which it was made is undone after this, unless somebody confirms it by another address. */
export const CONFIRM_WITHIN_MS = 60_000;
/** How often the kernel is looked at: what somebody else took away is put back. */
export const RECONCILE_INTERVAL_MS = 10_000;
/** The verbs without which no address can be changed. */
const VERBS = ['address-add', 'address-drop', 'address-list'];
const FOREVER = 'forever';
const CERTIFICATE_NAME = 'factory-default';

export interface AddressesOptions {
  store: Store;
  helper: HelperClient;
  log: Log;
  now?: () => number;
  confirmWithinMs?: number;
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
  readonly #now: () => number;
  /** By address; replaced at each change, since the front door looks for each connection. */
  #accessTypes = new Map<string, AccessType>();
  readonly #errors = new Map<string, string>();
  /** Shared addresses that are held, and until when on the boot clock. */
  readonly #heldUntilMs = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #undoTimer: NodeJS.Timeout | undefined;
  #applying: Promise<void> = Promise.resolve();

  constructor(options: AddressesOptions) {
    this.#options = options;
    this.#rows = new AddressStore(options.store);
    this.#now = options.now ?? Date.now;
    this.#noteAccessTypes();
  }

  /** Gives the machine its addresses, and again whenever one is missing. Never rejects. */
  async start(): Promise<void> {
    this.#armUndo();
    this.#timer = setInterval(() => void this.apply(), RECONCILE_INTERVAL_MS).unref();
    await this.apply();
  }

  /** The machine keeps its addresses; shared ones end by themselves. */
  close(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#undoTimer);
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
  async look(): Promise<
    Pick<IpConfiguration, 'addresses' | 'devices' | 'canApply' | 'cannotApply' | 'cannotAnnounce' | 'pending'>
  > {
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
      pending: this.pending(),
    };
  }

  /** Adds an address. `from`: the address of ours by which the person is here. Throws `IP_ADDRESS_…`, `IP_PREFIX_INVALID`, `NETWORK_…`. */
  async add(context: Context, change: IpAddressChange, from: string): Promise<void> {
    const draft = checkedDraft(change);
    const rows = this.#rows.all();
    if (rows.length >= IP_ADDRESSES_MAX)
      throw new AppError('conflict', 'IP_ADDRESSES_FULL', `There are ${IP_ADDRESSES_MAX} addresses already: remove one first.`, {
        params: { most: IP_ADDRESSES_MAX },
      });
    refuseTaken(rows, draft, undefined);
    this.#rows.add(context, draft, await this.#pendingFor(undefined, draft, change, from));
    await this.#applied();
  }

  /** As `add`; also `NOT_FOUND`. */
  async change(context: Context, id: string, change: IpAddressChange, from: string): Promise<void> {
    const before = this.#find(id);
    const draft = checkedDraft(change);
    refuseTaken(this.#rows.all(), draft, id);
    const pending = await this.#pendingFor(before, draft, change, from);
    this.#rows.change(context, before, { id, ...draft }, pending);
    await this.#applied();
  }

  /** As `change`. */
  async remove(context: Context, id: string, acceptCut: boolean, from: string): Promise<void> {
    const before = this.#find(id);
    const pending = await this.#pendingFor(before, undefined, { acceptCut }, from);
    this.#rows.remove(context, before, pending);
    await this.#applied();
  }

  /** The change that waits for being confirmed. */
  pending(): PendingChange | null {
    const pending = this.#rows.pending();
    if (pending === undefined) return null;
    return { address: pending.cut, undoAtMs: pending.undoAtMs, leftMs: Math.max(0, pending.undoAtMs - this.#now()) };
  }

  /** Lets the change stay. Throws `NETWORK_CONFIRM_ELSEWHERE` for who comes by the very address that was cut, `NETWORK_NOTHING_PENDING`. */
  confirm(context: Context, from: string): void {
    const pending = this.#rows.pending();
    if (pending === undefined)
      throw new AppError(
        'conflict',
        'NETWORK_NOTHING_PENDING',
        'There is nothing to confirm: the change was confirmed, or undone.',
      );
    if (plainAddress(from) === pending.cut)
      throw new AppError(
        'conflict',
        'NETWORK_CONFIRM_ELSEWHERE',
        `Open this page by another address of the appliance than ${pending.cut}, and confirm there: that shows that the appliance can still be reached.`,
        { params: { address: pending.cut } },
      );
    this.#rows.confirm(context, pending);
    clearTimeout(this.#undoTimer);
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
    this.#armUndo();
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
    try {
      const { verbs } = await this.#options.helper.describe();
      return VERBS.every((verb) => verbs.includes(verb)) ? null : 'old-helper';
    } catch (error) {
      return error instanceof AppError && error.code === 'HELPER_ABSENT' ? 'not-root' : 'helper-silent';
    }
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
      certificate: CERTIFICATE_NAME,
    };
  }

  #find(id: string): AddressRow {
    const row = this.#rows.all().find((one) => one.id === id);
    if (row === undefined) throw notFound();
    return row;
  }

  /** What is noted beside a change that cuts the address `from`; undefined for one that does not. Throws when the person was not told, or another one waits. */
  async #pendingFor(
    before: AddressRow | undefined,
    after: AddressDraft | undefined,
    { acceptCut }: Pick<IpAddressChange, 'acceptCut'>,
    from: string,
  ): Promise<Omit<PendingRow, 'before' | 'after'> | undefined> {
    const cut = plainAddress(from);
    const isOurs = (await this.look()).devices.some(({ addresses }) => addresses.some((one) => one.ours && one.address === cut));
    if (this.#rows.pending() !== undefined)
      throw new AppError(
        'conflict',
        'NETWORK_PENDING',
        'A change waits for being confirmed: confirm it, or wait until it is undone.',
      );
    if (!cuts(before, after, cut, isOurs)) return undefined;
    if (acceptCut !== true)
      throw new AppError(
        'conflict',
        'NETWORK_CUTS_YOU',
        `You are here by ${cut}, which this change cuts. It is undone after ${this.#confirmWithinMs / 1000} s unless you confirm it by another address.`,
        { params: { address: cut, seconds: this.#confirmWithinMs / 1000 } },
      );
    return { cut, undoAtMs: this.#now() + this.#confirmWithinMs };
  }

  get #confirmWithinMs(): number {
    return this.#options.confirmWithinMs ?? CONFIRM_WITHIN_MS;
  }

  /** Also after a restart of base in between; a clock that was set back meanwhile makes it no longer. */
  #armUndo(): void {
    clearTimeout(this.#undoTimer);
    const pending = this.#rows.pending();
    if (pending === undefined) return;
    const leftMs = Math.min(Math.max(0, pending.undoAtMs - this.#now()), this.#confirmWithinMs);
    this.#undoTimer = setTimeout(() => this.#undo(pending), leftMs);
  }

  #undo(pending: PendingRow): void {
    try {
      this.#rows.undo(SYSTEM, pending);
      this.#options.log.warn({ address: pending.cut }, 'network.change-undone');
    } catch (error) {
      this.#options.log.error({ err: error }, 'network.change-not-undone');
      this.#undoTimer = setTimeout(() => this.#undo(pending), RECONCILE_INTERVAL_MS);
      return;
    }
    this.#noteAccessTypes();
    void this.apply();
  }

  #noteAccessTypes(): void {
    const rows = this.#rows.all().filter((row) => row.enabled);
    this.#accessTypes = new Map(rows.map(({ address, accessType }) => [address, accessType]));
  }
}

/** A shared address that would stay for ever was no shared one until now: it is dropped, and held anew by whoever is primary. */
function isAsWanted(row: AddressRow, device: string, one: HelperDevice['addresses'][number]): boolean {
  return row.device === device && row.prefix === one.prefix && !(row.shared && one.lifeLeftSeconds === null);
}

/** A lasting address that has a limited life: it was shared until now, or somebody outside changed it. */
function isAdrift(row: AddressRow, devices: HelperDevice[]): boolean {
  return devices.some(({ addresses }) =>
    addresses.some((one) => one.ours && one.address === row.address && one.lifeLeftSeconds !== null),
  );
}

function checkedDraft({ enabled, device, address, prefix, accessType, shared }: IpAddressChange): AddressDraft {
  return { enabled, device, address: checkedAddress(address, prefix), prefix, accessType, shared };
}

function refuseTaken(rows: AddressRow[], { address }: AddressDraft, id: string | undefined): void {
  if (!rows.some((row) => row.address === address && row.id !== id)) return;
  throw new AppError('conflict', 'IP_ADDRESS_TAKEN', `${address} is on the list already.`, {
    field: 'body.address',
    params: { address },
  });
}

/** Whether whoever is here by `from` loses the way by this change. What is not `isOurs`, the operating system set, and stays whatever is said here. */
function cuts(before: AddressRow | undefined, after: AddressDraft | undefined, from: string, isOurs: boolean): boolean {
  if (before?.enabled === true && before.address === from && isOurs) {
    const stays =
      after !== undefined &&
      after.enabled &&
      after.address === before.address &&
      after.device === before.device &&
      after.prefix === before.prefix &&
      (before.shared || !after.shared);
    if (!stays) return true;
  }
  const becomesSiteOnly = after?.enabled === true && after.address === from && after.accessType === 'site-only';
  return becomesSiteOnly && before?.accessType !== 'site-only';
}

/** What can be seen without the helper. */
function ownDevices(): (HelperDevice & NetworkDevice)[] {
  return Object.entries(networkInterfaces()).map(([name, addresses = []]) => ({
    name,
    up: true,
    mac: addresses[0]?.mac ?? null,
    addresses: addresses.map(({ address, cidr }) => ({
      address: plainAddress(address),
      prefix: Number(cidr?.split('/')[1] ?? 0),
      lifeLeftSeconds: null,
      isDuplicate: false,
      ours: false,
    })),
  }));
}
