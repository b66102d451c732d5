/** What the kernel says of the machine and of our programs. */
import { readFileSync, statfsSync, statSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import type { ProcessState } from '@bascule/protocol/appliance-control.ts';
import { residentBytes } from '../box/box.ts';
import type { Figures } from './health-ring.ts';

const KIBIBYTE = 1024;
const SECTOR_BYTES = 512;
const RSS_NAMES = {
  boot: 'rssBootBytes',
  helper: 'rssHelperBytes',
  base: 'rssBaseBytes',
  site: 'rssSiteBytes',
  relay: 'rssRelayBytes',
} as const;

/** Counters that only rise; two readings give a rate. */
interface Counters {
  atMs: number;
  busyMs: number;
  allMs: number;
  readBytes: number | undefined;
  writtenBytes: number | undefined;
  receivedBytes: number | undefined;
  sentBytes: number | undefined;
}

/** Takes samples; rates are those since the sample before. */
export class HealthSampler {
  readonly #home: string;
  readonly #processes: () => ProcessState[];
  readonly #proc: string;
  #before: Counters | undefined;

  /** `proc`: another folder than /proc, for tests. */
  constructor(home: string, processes: () => ProcessState[], proc = '/proc') {
    this.#home = home;
    this.#processes = processes;
    this.#proc = proc;
  }

  /** What could be read; the rest is absent. */
  take(): Figures {
    const counters = this.#counters();
    const figures: Figures = { load: loadavg()[0] ?? 0, ...this.#rates(counters) };
    this.#before = counters;
    const memory = memoryOf(this.#proc);
    if (memory !== undefined) figures.memoryUsedBytes = memory.totalBytes - memory.availableBytes;
    const disk = diskOf(this.#home);
    figures.diskUsedBytes = disk.totalBytes - disk.freeBytes;
    for (const { name, pid } of this.#processes()) {
      const rssBytes = residentBytes(pid);
      if (rssBytes !== null) figures[RSS_NAMES[name]] = rssBytes;
    }
    return figures;
  }

  #rates(now: Counters): Figures {
    const before = this.#before;
    if (before === undefined) return {};
    const seconds = (now.atMs - before.atMs) / 1000;
    if (seconds <= 0) return {};
    const perSecond = (newer: number | undefined, older: number | undefined) =>
      newer === undefined || older === undefined || newer < older ? undefined : (newer - older) / seconds;
    const allMs = now.allMs - before.allMs;
    const rates = {
      cpuPercent: allMs > 0 ? Math.min(100, (100 * (now.busyMs - before.busyMs)) / allMs) : undefined,
      diskReadBytesPerSecond: perSecond(now.readBytes, before.readBytes),
      diskWriteBytesPerSecond: perSecond(now.writtenBytes, before.writtenBytes),
      receivedBytesPerSecond: perSecond(now.receivedBytes, before.receivedBytes),
      sentBytesPerSecond: perSecond(now.sentBytes, before.sentBytes),
    };
    return Object.fromEntries(Object.entries(rates).filter(([, value]) => value !== undefined)) as Figures;
  }

  #counters(): Counters {
    let busyMs = 0;
    let allMs = 0;
    for (const { times } of cpus()) {
      const { idle, ...busy } = times;
      const sum = Object.values(busy).reduce((total, value) => total + value, 0);
      busyMs += sum;
      allMs += sum + idle;
    }
    const disk = this.#diskBytes();
    const network = networkBytes(readOr(`${this.#proc}/net/dev`));
    return {
      atMs: performance.now(),
      busyMs,
      allMs,
      readBytes: disk?.read,
      writtenBytes: disk?.written,
      receivedBytes: network?.received,
      sentBytes: network?.sent,
    };
  }

  #diskBytes(): { read: number; written: number } | undefined {
    const { dev } = statSync(this.#home);
    // makedev(3): the low 8 bits of the minor number, 12 of the major one, the rest of the minor one.
    return diskBytes(readOr(`${this.#proc}/diskstats`), (dev >>> 8) & 0xfff, (dev & 0xff) | ((dev >>> 12) & 0xfff00));
  }
}

/** Of the device `major`:`minor` in /proc/diskstats, or of all whole disks when it is not there (a container's own file system). */
export function diskBytes(text: string, major: number, minor: number): { read: number; written: number } | undefined {
  const rows = text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length >= 10);
  const own = rows.filter((fields) => Number(fields[0]) === major && Number(fields[1]) === minor);
  const wanted =
    own.length > 0 ? own : rows.filter((fields) => /^(sd[a-z]+|vd[a-z]+|xvd[a-z]+|nvme\d+n\d+|mmcblk\d+)$/.test(fields[2] ?? ''));
  if (wanted.length === 0) return undefined;
  const sum = (index: number) => wanted.reduce((total, fields) => total + Number(fields[index]), 0) * SECTOR_BYTES;
  return { read: sum(5), written: sum(9) };
}

/** Of all ports but the loopback, in /proc/net/dev. */
export function networkBytes(text: string): { received: number; sent: number } | undefined {
  let found = false;
  let received = 0;
  let sent = 0;
  for (const line of text.split('\n')) {
    const [, name, rest] = /^\s*([^\s:]+):\s*(.*)$/.exec(line) ?? [];
    if (name === undefined || rest === undefined || name === 'lo') continue;
    const fields = rest.split(/\s+/).map(Number);
    found = true;
    received += fields[0] ?? 0;
    sent += fields[8] ?? 0;
  }
  return found ? { received, sent } : undefined;
}

/** Undefined where the kernel does not say. */
export function memoryOf(proc = '/proc'): { totalBytes: number; availableBytes: number } | undefined {
  const text = readOr(`${proc}/meminfo`);
  const value = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? NaN) * KIBIBYTE;
  const memory = { totalBytes: value('MemTotal'), availableBytes: value('MemAvailable') };
  return Number.isNaN(memory.totalBytes + memory.availableBytes) ? undefined : memory;
}

export function diskOf(path: string): { totalBytes: number; freeBytes: number } {
  const { blocks, bavail, bsize } = statfsSync(path);
  return { totalBytes: blocks * bsize, freeBytes: bavail * bsize };
}

function readOr(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
