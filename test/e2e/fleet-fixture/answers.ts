/** What a site with many clients answers in states that a real one is in for a moment only: a rollout under way, halted, a restored site. */
import { newId } from '@bascule/core/ids.ts';
import type { FleetClient, FleetSettings, Rollout, UpgradeState } from '@bascule/protocol/api/fleet.ts';
import type { Installer } from '@bascule/protocol/api/installers.ts';
import type { JumpItem, JumpItemsPage } from '@bascule/protocol/api/jump.ts';
import { UPGRADE_FAILURES } from '@bascule/protocol/client-program.ts';
import { LOSS_CODES, type Losses } from '@bascule/protocol/losses.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
export const VERSION = '0.2.0';
const REVISION = '4f2a9c1d7e3b';
const GROUPS = ['Web servers', 'Databases', 'Build hosts', null] as const;

const COUNTS: Rollout['counts'] = {
  total: 15_000,
  current: 9211,
  pending: 5640,
  absent: 812,
  waitingForSession: 14,
  downloading: 87,
  restarting: 13,
  failed: 22,
  rolledBack: 6,
  unsupported: 7,
};

export function settingsOf(change: Partial<FleetSettings> = {}): FleetSettings {
  return {
    upgrades: 'on',
    maxConcurrent: 100,
    maxBytesPerSecond: 20 * 1024 * 1024,
    maxStartsPerSecond: 50,
    rings: [
      { name: 'Canary', groupIds: [], percent: 1, waitMinutes: 0 },
      { name: 'Early', groupIds: [], percent: 10, waitMinutes: 60 },
      { name: 'Rest', groupIds: [], percent: 100, waitMinutes: 240 },
    ],
    haltPercent: 5,
    haltMinimum: 3,
    ringPatienceHours: 24,
    healthSeconds: 120,
    jumpToOlder: 'supported',
    defaultMode: 'active',
    checkInHours: 24,
    offlineAfterSeconds: 90,
    toleratesDates: true,
    consoleTls: 'refuse',
    ...change,
  };
}

/** A rollout of 15,000 clients that has been going on for twelve minutes. */
export function rolloutOf(change: Partial<Rollout> = {}, nowMs = Date.now()): Rollout {
  const startedAtMs = nowMs - 12 * MINUTE_MS;
  const ring = (
    name: string,
    state: Rollout['rings'][number]['state'],
    counts: Partial<Rollout['counts']>,
    opensAtMs: number | null,
  ) => {
    const none = Object.fromEntries(Object.keys(COUNTS).map((key) => [key, 0])) as Rollout['counts'];
    return { name, state, opensAtMs, counts: { ...none, ...counts } };
  };
  return {
    state: 'running',
    version: VERSION,
    revision: REVISION,
    halt: null,
    startedAtMs,
    endedAtMs: null,
    counts: COUNTS,
    rings: [
      ring('Canary', 'done', { total: 150, current: 149, failed: 1 }, null),
      ring('Early', 'open', { ...COUNTS, total: 13_000, current: 9062, failed: 21 }, null),
      ring('Rest', 'waiting', { total: 1850, pending: 1850, absent: 90 }, nowMs + 37 * MINUTE_MS),
    ],
    bytesPerSecond: 19.6 * 1024 * 1024,
    upgradesPerMinute: 812,
    bytesSent: 8_640_000_000,
    secondsLeft: 437,
    bytesPerClient: 912_384,
    chart: Array.from({ length: 120 }, (_, index) => ({
      atMs: startedAtMs + index * 6000,
      current: Math.round((COUNTS.current * index ** 1.4) / 119 ** 1.4),
      failed: Math.round((28 * index) / 119),
      bytesPerSecond: Math.round((16 + 4 * Math.sin(index / 5)) * 1024 * 1024),
    })),
    nowMs,
    ...change,
  };
}

export const HALT: Partial<Rollout> = {
  state: 'halted',
  secondsLeft: null,
  halt: {
    code: 'failures',
    ring: 'Canary',
    text: '8 of 120 that were begun with failed, were rolled back or are silent',
    failed: 8,
    begun: 120,
    percent: 7,
    atMs: Date.UTC(2026, 10, 21, 9, 14),
  },
};

const PROGRAMS: JumpItemsPage['programs'] = [
  { program: 'jump-client', items: 13_636, online: 12_898 },
  { program: 'jumpoint', items: 1364, online: 1290 },
];
const STATES: UpgradeState[] = [
  'downloading',
  'restarting',
  'failed',
  'rolled-back',
  'waiting-for-session',
  'pending',
  'current',
  'unsupported',
];

export function fleetClientOf(index: number, nowMs = Date.now()): FleetClient {
  const state = index < 24 ? (STATES[index % STATES.length] ?? 'pending') : 'pending';
  const hasFailed = state === 'failed' || state === 'rolled-back';
  return {
    id: `jc_00000000-0000-7000-8000-${index.toString(16).padStart(12, '0')}`,
    name: `web-${String(index + 1).padStart(4, '0')}`,
    groupName: GROUPS[index % GROUPS.length] ?? null,
    program: index % 11 === 7 ? 'jumpoint' : 'jump-client',
    version: state === 'current' ? VERSION : '0.1.9',
    revision: state === 'current' ? REVISION : '0c81d7af90b2',
    state,
    ring: ['Canary', 'Early', 'Rest'][index % 3] ?? 'Rest',
    place: state === 'pending' ? index + 1 : null,
    failure: hasFailed ? (UPGRADE_FAILURES[index % UPGRADE_FAILURES.length] ?? 'other') : null,
    reason: hasFailed ? 'exit code 1: cannot open shared object file libatomic.so.1' : null,
    attempts: hasFailed ? 3 : state === 'downloading' ? 1 : 0,
    nextTryAtMs: state === 'failed' ? nowMs + 9 * MINUTE_MS : null,
    upgradedAtMs: state === 'current' ? nowMs - 5 * MINUTE_MS : null,
    online: index % 6 !== 5,
    sinceMs: nowMs - (index + 1) * HOUR_MS,
  };
}

export function jumpItemOf(index: number, nowMs = Date.now()): JumpItem {
  const client = fleetClientOf(index, nowMs);
  return {
    id: client.id,
    name: client.name,
    groupId: null,
    groupName: client.groupName,
    hostName: `${client.name}.example.org`,
    os: 'Debian GNU/Linux 12',
    addresses: ['192.0.2.17'],
    runsAs: 'root',
    version: client.version,
    state: 'approved',
    online: client.online,
    sinceMs: client.sinceMs,
    duplicateName: false,
    comment: '',
    sessions: index % 5 === 0 ? 1 : 0,
    program: client.program,
    revision: client.revision,
    mode: index % 4 === 3 ? 'passive' : 'active',
    tags: [],
    upgrade: client.state,
    upgradePlace: client.place,
    nextCheckInMs: null,
  };
}

export function jumpItemsPageOf(total: number, url: URL): JumpItemsPage {
  const offset = Number(url.searchParams.get('offset') ?? 0);
  const limit = Number(url.searchParams.get('limit') ?? 100);
  const items = Array.from({ length: Math.max(0, Math.min(limit, total - offset)) }, (_, index) => jumpItemOf(offset + index));
  return { revision: 1, total, items, groups: [], tags: [], programs: PROGRAMS };
}

export function installerOf(change: Partial<Installer> = {}, nowMs = Date.now()): Installer {
  const name = 'bascule-jump-client-0.2.0';
  return {
    id: newId('installer', nowMs),
    program: 'jump-client',
    name: 'Web servers, November',
    tokenId: newId('installerToken', nowMs),
    groupName: 'Web servers',
    mode: 'active',
    tags: ['rotterdam', 'front'],
    isGeneric: false,
    version: VERSION,
    createdBy: 'admin',
    createdAtMs: nowMs - DAY_MS,
    validUntilMs: nowMs + 6 * DAY_MS,
    uses: 200,
    usesLeft: 187,
    state: 'valid',
    files: [
      { format: 'sh', name: `${name}.sh`, bytes: 4211, problem: null },
      { format: 'deb', name: `${name}.deb`, bytes: 31_204_352, problem: null },
      { format: 'tar.gz', name: `${name}.tar.gz`, bytes: null, problem: null },
      {
        format: 'msi',
        name: `${name}.msi`,
        bytes: null,
        problem: { code: 'NO_SUCH_CODE', message: 'wixl is missing on the appliance: apt-get install msitools.' },
      },
    ],
    ...change,
  };
}

/** One of each kind of loss. */
export function lossesOf(nowMs = Date.now()): Losses {
  return {
    connected: 14_188,
    seenLately: 14_790,
    lost: 4,
    trouble: 6,
    list: LOSS_CODES.map((code, index) => ({
      what: code === 'installer-invalid' ? 'installer' : code === 'console-must-confirm' ? 'console' : 'jump-client',
      id: `x${index}`,
      name: code === 'installer-invalid' ? 'Web servers, November' : `db-${index + 1}`,
      severity: index < 4 ? 'lost' : 'trouble',
      code,
      detail: code === 'dials-old-name' ? 'old.example.org:443' : '',
      lastSeenAtMs: nowMs - index * HOUR_MS,
    })),
  };
}

export function identityOf(nowMs = Date.now()) {
  return {
    fingerprintSha256: '9f2c4e7a'.repeat(8),
    sinceMs: nowMs - 3 * DAY_MS,
    expiresAtMs: nowMs + 7300 * DAY_MS,
    behind: 812,
    former: [{ fingerprintSha256: '1d3b5f70'.repeat(8), sinceMs: nowMs - 400 * DAY_MS, endedAtMs: nowMs - 3 * DAY_MS }],
    restored: { sinceMs: nowMs - 2 * DAY_MS, clients: 3 },
  };
}

export function downloadsOf() {
  const row = (program: string, version: string, age: string, format: string, platform: string, bytes: number | null) => ({
    name: `bascule-${program}-${version}-${platform}.${format}`,
    program,
    version,
    age,
    format,
    platform,
    bytes,
    problem: null as null | { code: string; message: string },
  });
  return {
    downloads: [
      row('console', VERSION, 'current', 'deb', 'linux-x64', 30_112_000),
      row('console', VERSION, 'current', 'tar.gz', 'linux-x64', 34_412_000),
      {
        ...row('console', VERSION, 'current', 'msi', 'win32-x64', null),
        problem: { code: 'NO_SUCH_CODE', message: 'wixl is missing on the appliance: apt-get install msitools.' },
      },
      row('console', '0.3.0', 'next', 'deb', 'linux-x64', null),
      row('jump-client', '0.3.0', 'next', 'deb', 'linux-x64', 31_004_000),
      row('jump-client', '0.1.9', 'earlier', 'msi', 'win32-x64', 33_604_000),
    ],
  };
}
