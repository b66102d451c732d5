import { HEALTH_SERIES, type Health, type HealthSeriesName } from '@bascule/protocol/api/health.ts';
import type { PowerState, ResetState, ShownErasureReport } from '@bascule/protocol/api/reset.ts';
import { STORAGE_KINDS, type RetentionState, type Storage } from '@bascule/protocol/api/storage.ts';
import type { SyslogState } from '@bascule/protocol/api/syslog.ts';

const AT_MS = Date.UTC(2026, 10, 21, 8, 30);
const GIBIBYTE = 1024 ** 3;
const STEPS = 60;

/** Where each line lies, and how far it swings. */
const LEVELS: Partial<Record<HealthSeriesName, [level: number, swing: number]>> = {
  cpuPercent: [22, 15],
  load: [0.6, 0.4],
  memoryUsedBytes: [1.4 * GIBIBYTE, 0.1 * GIBIBYTE],
  rssBaseBytes: [120e6, 10e6],
  rssSiteBytes: [240e6, 30e6],
  rssRelayBytes: [95e6, 15e6],
  rssHelperBytes: [48e6, 1e6],
  rssBootBytes: [52e6, 1e6],
  diskUsedBytes: [31 * GIBIBYTE, 0.2 * GIBIBYTE],
  diskReadBytesPerSecond: [0.4e6, 0.3e6],
  diskWriteBytesPerSecond: [2.1e6, 1.2e6],
  baseDelayMs: [1.2, 0.8],
  siteDelayMs: [4, 3],
  clientsOnline: [412, 6],
  accessSessions: [9, 4],
  receivedBytesPerSecond: [0.6e6, 0.2e6],
  sentBytesPerSecond: [1.9e6, 0.9e6],
};

export const healthOf = (over: Partial<Health> = {}): Health => ({
  nowMs: AT_MS,
  range: 'hour',
  fromMs: AT_MS - STEPS * 60_000,
  stepSeconds: 60,
  series: HEALTH_SERIES.map((name, place) => {
    const [level, swing] = LEVELS[name] ?? [1, 1];
    // The appliance was off for a while.
    const at = (index: number) => (index > 20 && index < 26 ? null : Math.round(level + swing * Math.sin(index / 6 + place)));
    return { name, points: Array.from({ length: STEPS }, (_, index) => at(index)) };
  }),
  memoryTotalBytes: 4 * GIBIBYTE,
  diskTotalBytes: 80 * GIBIBYTE,
  processors: 2,
  alarms: [],
  thresholds: { diskFreePercent: 10, memoryFreePercent: 5, clock: true, delayMs: 1000 },
  ...over,
});

export const storageOf = (): Storage => ({
  path: '/var/lib/bascule',
  totalBytes: 80 * GIBIBYTE,
  freeBytes: 49 * GIBIBYTE,
  measuredAtMs: AT_MS,
  measuring: false,
  usage: STORAGE_KINDS.map((kind, place) => ({
    kind,
    bytes: (STORAGE_KINDS.length - place) * 0.4 * GIBIBYTE,
    files: 3 + place * 17,
  })),
  reserved: [
    { purpose: 'journal', bytes: 8 * 1024 ** 2, held: true },
    { purpose: 'recordings', bytes: 256 * 1024 ** 2, held: true },
  ],
});

export const retentionOf = (over: Partial<RetentionState> = {}): RetentionState => ({
  settings: { recordingsMaxDays: 365, recordingsMaxGibibytes: null, reportsMaxDays: 730 },
  decidesHere: true,
  lastRun: { atMs: AT_MS, recordings: 12, recordingBytes: 90_000_000, reports: 3 },
  ...over,
});

export const syslogOf = (): SyslogState => ({
  destinations: [
    {
      id: 'sys_01920c5e-0000-7000-8000-000000000001',
      isOn: true,
      host: 'logs.example.org',
      port: 6514,
      caPem: null,
      clientCertificatePem: null,
      sources: ['box-audit', 'site-audit', 'alarms', 'heads'],
      hasClientKey: false,
      state: 'connected',
      error: null,
      connectedAtMs: AT_MS,
      lastSentAtMs: AT_MS,
      sent: 1207,
      waiting: 0,
      dropped: 0,
    },
  ],
  spool: { bytes: 61_000, maxBytes: 64 * 1024 ** 2 },
});

export const powerOf = (over: Partial<PowerState> = {}): PowerState => ({
  mayShutDown: true,
  mayRestart: true,
  why: null,
  sessions: 2,
  clientsOnline: 412,
  peer: null,
  ...over,
});

export const resetOf = (over: Partial<ResetState> = {}): ResetState => ({
  applianceName: 'alpha',
  refused: null,
  sessions: 2,
  clientsOnline: 412,
  kinds: [
    { kind: 'keys', files: 14, bytes: 31_000, optional: false },
    { kind: 'databases', files: 6, bytes: 220_000_000, optional: false },
    { kind: 'backups', files: 3, bytes: 900_000_000, optional: true },
  ],
  elsewhere: ['vault: the folder /mnt/backups'],
  ...over,
});

export const reportOf = (): ShownErasureReport => ({
  format: 'bascule-erasure/1',
  applianceName: 'alpha',
  baseVersion: '0.4.0',
  startedAtMs: AT_MS,
  endedAtMs: AT_MS + 9_000,
  interruptions: 0,
  steps: [{ kind: 'keys', files: 14, bytes: 31_000, overwritten: true, endedAtMs: AT_MS }],
  leftCount: 0,
  elsewhereCount: 1,
  keptBackups: false,
  shutDownAfter: false,
  sha256: 'ab'.repeat(32),
});
