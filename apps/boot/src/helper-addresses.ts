import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { checkAddress, checkDevice, checkLife, checkPrefix, Refused } from './helper-checks.ts';
import { ip, objectsIn } from './helper-ip.ts';

/** Addresses that the helper keeps at most. */
export const OWN_ADDRESSES_MAX = 128;
/** Lines of an answer: an appliance has a handful of ports. */
const DEVICES_MAX = 64;
const ADDRESSES_PER_DEVICE_MAX = 64;
/** Of the kernel: no end (2^32 - 1 seconds). */
const FOREVER_SECONDS = 4_294_967_295;
const MACHINE_START = '/proc/sys/kernel/random/boot_id';

interface OwnAddress {
  device: string;
  address: string;
  prefix: number;
}
export interface DeviceAddress {
  address: string;
  prefix: number;
  lifeLeftSeconds: number | null;
  /** The kernel found that another machine has it (IPv6). */
  isDuplicate: boolean;
  ours: boolean;
}
export interface Device {
  name: string;
  up: boolean;
  mac: string | null;
  addresses: DeviceAddress[];
}

/**
 * The addresses that the helper gave this machine since it was started, kept in `file` (root's alone): it touches no other. The kernel forgets all of them with a
 * restart of the machine, and so does the list.
 */
export class OwnAddresses {
  readonly #file: string;
  readonly #nowMs: () => number;
  #own: OwnAddress[];
  /** Until when an address certainly is in the kernel, on the boot clock: a renewal then needs no look at the others. */
  readonly #certainUntilMs = new Map<string, number>();
  /** One change after the other, in the order in which they were asked for. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(file: string, nowMs: () => number) {
    this.#file = file;
    this.#nowMs = nowMs;
    this.#own = readList(file);
  }

  /** Gives `device` the address, or renews its life. Refuses an address that the machine has from somebody else. */
  add(args: { device: string; address: string; prefix: string; until: string }): Promise<null> {
    const device = checkDevice(args.device);
    const { address, family } = checkAddress(args.address);
    const prefix = checkPrefix(args.prefix, family);
    checkLife(args.until, this.#nowMs());
    return this.#inTurn(async () => {
      if (!this.#isCertain(device, address, prefix)) await this.#claim({ device, address, prefix });
      // Once more, when its turn has come: what is too late by now must not be done.
      const life = checkLife(args.until, this.#nowMs());
      const seconds = life === 'forever' ? [] : ['valid_lft', String(life), 'preferred_lft', String(life)];
      // The one before has let go of a shared address: nobody needs to be asked, and it is wanted at once.
      const atOnce = family === 6 && life !== 'forever' ? ['nodad'] : [];
      await ip(['address', 'replace', `${address}/${prefix}`, 'dev', device, ...seconds, ...atOnce]);
      this.#certainUntilMs.set(address, life === 'forever' ? Infinity : this.#nowMs() + life * 1_000);
      return null;
    });
  }

  /** Takes an address of the list off again; one that is gone already is fine. */
  drop(args: { device: string; address: string }): Promise<null> {
    const device = checkDevice(args.device);
    const { address } = checkAddress(args.address);
    return this.#inTurn(async () => {
      const own = this.#find(device, address);
      if (own === undefined) throw new Refused(`${address} on ${device} is not an address of this program's`);
      this.#certainUntilMs.delete(address);
      await ip(
        ['address', 'delete', `${address}/${own.prefix}`, 'dev', device],
        /Cannot assign requested address|Address not found/,
      );
      this.#note(this.#own.filter((one) => one !== own));
      return null;
    });
  }

  /** Every port of this machine with its addresses. */
  list(): Promise<Device[]> {
    return this.#inTurn(async () => {
      const devices = await this.#look();
      const kept = this.#own.filter(({ device, address }) =>
        devices.some(({ name, addresses }) => name === device && addresses.some((one) => one.address === address)),
      );
      if (kept.length < this.#own.length) this.#note(kept);
      return devices;
    });
  }

  /** The address as it is on the list. Throws `Refused`: nobody announces what is another's. */
  owned(args: { device: string; address: string }): { device: string; address: string; family: 4 | 6 } {
    const device = checkDevice(args.device);
    const { address, family } = checkAddress(args.address);
    if (this.#find(device, address) === undefined)
      throw new Refused(`${address} on ${device} is not an address of this program's`);
    return { device, address, family };
  }

  #find(device: string, address: string): OwnAddress | undefined {
    return this.#own.find((one) => one.device === device && one.address === address);
  }

  #isCertain(device: string, address: string, prefix: number): boolean {
    return this.#find(device, address)?.prefix === prefix && (this.#certainUntilMs.get(address) ?? 0) > this.#nowMs();
  }

  /** Puts the address on the list, before it is given, unless somebody else gave it to the machine. */
  async #claim(wanted: OwnAddress): Promise<void> {
    const { device, address, prefix } = wanted;
    for (const { name, addresses } of await this.#look())
      for (const one of addresses) {
        if (one.address !== address) continue;
        if (!one.ours) throw new Refused(`${name} has ${address} already, and not from this program`);
        if (name !== device || one.prefix !== prefix) throw new Refused(`${name} has ${address}/${one.prefix}: drop that first`);
      }
    const others = this.#own.filter((one) => one.address !== address);
    if (others.length >= OWN_ADDRESSES_MAX) throw new Refused(`no more than ${OWN_ADDRESSES_MAX} addresses`);
    this.#note([...others, wanted]);
  }

  async #look(): Promise<Device[]> {
    const { output } = await ip(['-json', 'address', 'show']);
    return readDevices(output, (device, address) => this.#find(device, address) !== undefined);
  }

  #note(own: OwnAddress[]): void {
    this.#own = own;
    writeFileSync(`${this.#file}.new`, JSON.stringify({ machineStart: machineStart(), own }), { mode: 0o600 });
    renameSync(`${this.#file}.new`, this.#file);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }
}

/** Reads what `ip -json address show` says. */
export function readDevices(text: string, isOurs: (device: string, address: string) => boolean): Device[] {
  const links = objectsIn(JSON.parse(text === '' ? '[]' : text));
  return links.slice(0, DEVICES_MAX).flatMap((link) => {
    const name = link['ifname'];
    if (typeof name !== 'string') return [];
    const flags = Array.isArray(link['flags']) ? link['flags'] : [];
    const mac = link['link_type'] === 'ether' && typeof link['address'] === 'string' ? link['address'] : null;
    const addresses = objectsIn(link['addr_info'])
      .slice(0, ADDRESSES_PER_DEVICE_MAX)
      .flatMap((info) => {
        const { local: address, prefixlen: prefix, valid_life_time: life } = info;
        if (typeof address !== 'string' || typeof prefix !== 'number') return [];
        const lifeLeftSeconds = typeof life === 'number' && life < FOREVER_SECONDS ? life : null;
        return [{ address, prefix, lifeLeftSeconds, isDuplicate: info['dadfailed'] === true, ours: isOurs(name, address) }];
      });
    return [{ name, up: flags.includes('UP') && !flags.includes('NO-CARRIER'), mac, addresses }];
  });
}

function machineStart(): string {
  return readFileSync(MACHINE_START, 'latin1').trim();
}

/** The list of this start of the machine; empty when there is none, or it is of an earlier one. */
function readList(file: string): OwnAddress[] {
  try {
    const { machineStart: start, own } = JSON.parse(readFileSync(file, 'utf8')) as { machineStart: string; own: OwnAddress[] };
    return start === machineStart() ? own : [];
  } catch {
    return [];
  }
}
