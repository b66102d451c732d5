import { readFileSync, statfsSync } from 'node:fs';
import { networkInterfaces, uptime } from 'node:os';
import type { Basics } from '@bascule/protocol/api/appliance.ts';
import type { ProcessState } from '@bascule/protocol/appliance-control.ts';
import { shortAddress } from '../config/config.ts';

/** What the box page shows that the domains above it know. */
export interface BoxSources {
  applianceName: string;
  home: string;
  listen: string;
  baseVersion: string;
  /** Of what is installed, with the hash of what was staged. */
  packageVersions: { base: string; site: string };
  /** Versions of installed licence packages. */
  licences(): string[];
  siteReady(): boolean;
  /** Of the failover pair; null while main has said nothing. */
  pair(): Basics['pair'];
  /** All programs of the appliance, boot and helper among them. */
  processes(): ProcessState[];
  /** Whether base runs as a user of its own, apart from root. */
  separated(): boolean;
  certificate(): Basics['certificate'];
  now?: () => number;
}

/** Status > Basics (B6, B7): read from the kernel at the moment it is asked for. */
export function readBasics(sources: BoxSources): Basics {
  const nowMs = (sources.now ?? Date.now)();
  const processes = sources.processes();
  const startedAtMs = processes.find(({ name }) => name === 'boot')?.startedAtMs ?? nowMs;
  const { blocks, bavail, bsize } = statfsSync(sources.home);
  const siteReady = sources.siteReady();
  return {
    applianceName: sources.applianceName,
    nowMs,
    timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    baseVersion: sources.baseVersion,
    packages: [
      { kind: 'base', version: sources.packageVersions.base, state: 'installed' },
      { kind: 'site', version: sources.packageVersions.site, state: 'installed' },
      ...sources.licences().map((version) => ({ kind: 'licence' as const, version, state: 'installed' })),
    ],
    hostUptimeSeconds: Math.floor(uptime()),
    applianceUptimeSeconds: Math.max(0, Math.floor((nowMs - startedAtMs) / 1000)),
    disk: { path: sources.home, totalBytes: blocks * bsize, freeBytes: bavail * bsize },
    processes: processes.map((state) => ({ ...state, rssBytes: residentBytes(state.pid) })),
    separated: sources.separated(),
    siteReady,
    pair: sources.pair(),
    addresses: reachableAddresses(sources.listen),
    certificate: sources.certificate(),
  };
}

/** Memory of `pid` that is in RAM (VmRSS, proc(5)); null when the process is gone or hidden. */
export function residentBytes(pid: number): number | null {
  if (pid <= 0) return null;
  try {
    const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
    return kilobytes === undefined ? null : Number(kilobytes) * 1024;
  } catch {
    return null;
  }
}

/** The addresses of this machine on which `listen` is reached. */
export function reachableAddresses(listen: string): string[] {
  if (listen !== '0.0.0.0' && listen !== '::') return [listen];
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family }) => listen === '::' || family === 'IPv4')
    .map(({ address }) => shortAddress(address));
}
