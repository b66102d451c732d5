/** What a site says of its backups, its vault key and its stored files, in the states that pages show. */
import type { z } from 'zod';
import type {
  BackupDestination,
  BackupRecord,
  backupChanges,
  backups,
  backupSchedule,
  backupSizes,
} from '@bascule/protocol/api/backup.ts';
import type { FileStoreState, StoredFile } from '@bascule/protocol/api/file-store.ts';
import type { VaultKeyState, VaultRestoreLook, VaultSecret } from '@bascule/protocol/api/vault.ts';
import { VERSION } from '../fleet-fixture/answers.ts';

type Backups = z.infer<typeof backups>;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
export const HOST_KEY = 'SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8';
const uuid = (kind: string, number: number) => `${kind}_01920c5e-0000-7000-8000-${String(number).padStart(12, '0')}`;

export function backupOf(number: number, part: Partial<BackupRecord> = {}): BackupRecord {
  const madeAtMs = Date.now() - number * DAY_MS;
  return {
    id: uuid('bku', number),
    state: 'restorable',
    problem: null,
    madeAtMs,
    madeBy: 'schedule',
    reason: 'schedule',
    appliance: 'alpha',
    siteVersion: VERSION,
    destination: 'here',
    destinationName: 'here',
    fileName: `2026-11-2${number}-030000-alpha.bascule-backup.age`,
    bytes: 312 * MIB + number * 1_234_567,
    sha256: 'ab'.repeat(32),
    isEncrypted: true,
    include: { history: true, files: true, recordings: false, boxSettings: true },
    parts: [
      { part: 'state', members: 1, bytes: 1_181_116_006 },
      { part: 'identity', members: 3, bytes: 4100 },
      { part: 'box-settings', members: 1, bytes: 18_200 },
      { part: 'files', members: 12, bytes: 81 * MIB },
    ],
    leftOut: [
      { what: 'recordings', why: 'not-chosen' },
      { what: 'vault-key', why: 'never' },
    ],
    checkedAtMs: madeAtMs + 4 * MINUTE_MS,
    checkMs: 8_400,
    isHere: true,
    ...part,
  };
}

export const NAS: BackupDestination = {
  id: uuid('bkd', 1),
  name: 'nas-2',
  place: {
    kind: 'sftp',
    host: 'nas-2.example.org',
    port: 22,
    account: 'bascule',
    path: 'alpha',
    hostKey: HOST_KEY,
    has: 'private-key',
  },
};
export const FOLDER: BackupDestination = {
  id: uuid('bkd', 2),
  name: 'Second disk',
  place: { kind: 'folder', path: '/mnt/second/bascule' },
};

export function backupsOf(part: Partial<Backups> = {}): Backups {
  const list = [
    backupOf(1),
    backupOf(2, { destination: NAS.id, destinationName: NAS.name, isHere: false }),
    backupOf(3, {
      madeBy: 'admin',
      reason: 'person',
      isEncrypted: false,
      fileName: '2026-11-23-141503-alpha.bascule-backup',
      leftOut: [
        { what: 'identity', why: 'no-password' },
        { what: 'vault-key', why: 'never' },
      ],
    }),
    backupOf(4, {
      state: 'failed',
      problem: { code: 'BACKUP_NOT_RESTORABLE', message: 'The site did not come up on it.' },
      checkedAtMs: null,
      destination: NAS.id,
      destinationName: NAS.name,
      isHere: false,
    }),
    backupOf(5, { reason: 'upgrade', madeBy: 'upgrade' }),
  ];
  return {
    backups: list,
    running: null,
    last: { id: list[0]!.id, atMs: list[0]!.madeAtMs, changesSince: 14 },
    schedule: { isOn: true, nextAtMs: Date.now() + 9 * HOUR_MS, problem: null },
    ...part,
  };
}

/** In the middle of a backup. */
export function runningOf(): Backups {
  const before = backupsOf();
  const made = backupOf(0, { state: 'making', bytes: null, sha256: null, checkedAtMs: null, reason: 'person', madeBy: 'admin' });
  return {
    ...before,
    backups: [made, ...before.backups],
    running: {
      id: made.id,
      phase: 'writing',
      done: 515_396_076,
      total: 1_288_490_189,
      startedAtMs: Date.now() - MINUTE_MS,
    },
  };
}

export const NO_BACKUPS: Backups = {
  backups: [],
  running: null,
  last: null,
  schedule: { isOn: false, nextAtMs: null, problem: null },
};

export const SIZES: z.infer<typeof backupSizes> = {
  configuration: 61 * MIB,
  history: 1_116_691_497,
  files: { bytes: 81 * MIB, count: 12 },
  recordings: { bytes: 12_240_656_794, count: 4812 },
  boxSettings: 18_200,
  freeBytes: 64 * GIB,
  reservedBytes: 2 * GIB,
};

export const SCHEDULE: z.infer<typeof backupSchedule> = {
  isOn: true,
  times: { kind: 'daily', atMinute: 180 },
  include: { history: true, files: true, recordings: false, boxSettings: true },
  destination: NAS.id,
  hasPassword: true,
  retention: { count: 14, days: null },
};

export function changesOf(before: number | null): z.infer<typeof backupChanges> {
  const texts = [
    'Changed the group of web-0001 to Databases',
    'Made the user carla',
    'Revoked the installer Branch offices',
    'Changed the settings of clients',
  ];
  const from = before === null ? 0 : 8;
  return {
    sinceMs: Date.now() - DAY_MS,
    count: 14,
    changes: Array.from({ length: before === null ? 8 : 6 }, (_, index) => ({
      row: 1000 - from - index,
      atMs: Date.now() - (from + index + 1) * HOUR_MS,
      actor: index % 2 === 0 ? 'admin' : 'carla',
      text: texts[index % texts.length]!,
    })),
    before: before === null ? 993 : null,
  };
}

export function vaultOf(part: Partial<VaultKeyState> = {}): VaultKeyState {
  return {
    keyId: '3f0a91c2d47be815',
    since: null,
    formerKeyIds: [],
    download: { atMs: Date.now() - 20 * DAY_MS, by: 'admin', keyId: '3f0a91c2d47be815', isOutdated: false },
    protects: [
      { kind: 'second-factor', count: 38, unreadable: 0 },
      { kind: 'mail-password', count: 1, unreadable: 0 },
      { kind: 'installer-key', count: 6, unreadable: 0 },
    ],
    readable: 45,
    unreadable: 0,
    rotation: null,
    lastRotation: null,
    mayRotate: { ok: true, code: null, message: null },
    ...part,
  };
}

/** After a restore on another appliance, before its vault key is here. */
export function vaultWithoutKey(): VaultKeyState {
  return vaultOf({
    keyId: 'b7710c5ae2f4903d',
    since: Date.now() - HOUR_MS,
    download: null,
    protects: [
      { kind: 'second-factor', count: 38, unreadable: 38 },
      { kind: 'mail-password', count: 1, unreadable: 1 },
    ],
    readable: 0,
    unreadable: 39,
  });
}

export const SECRETS: VaultSecret[] = ['ada', 'ben', 'carla'].map((name) => ({
  kind: 'second-factor',
  name,
  words: `The second factor of ${name}`,
  isReadable: false,
  keyId: '3f0a91c2d47be815',
}));

export const LOOK: VaultRestoreLook = {
  appliance: 'alpha',
  madeAtMs: Date.now() - 20 * DAY_MS,
  keyIds: ['3f0a91c2d47be815'],
  newKeyIds: ['3f0a91c2d47be815'],
  becomesReadable: 39,
  secrets: SECRETS,
  staysUnreadable: 0,
};

export function fileOf(number: number, name: string, bytes: number, description = ''): StoredFile {
  return {
    id: uuid('stf', number),
    name,
    description,
    bytes,
    sha256: 'cd'.repeat(32),
    uploadedAtMs: Date.now() - number * DAY_MS,
    uploadedBy: number % 2 === 0 ? 'carla' : 'admin',
    isHere: true,
  };
}

export function fileStoreOf(part: Partial<FileStoreState> = {}): FileStoreState {
  return {
    files: [
      fileOf(1, 'putty-0.81-x64.msi', 3_774_874, 'Terminal for people without one'),
      fileOf(2, 'Runbook Rotterdam.pdf', 812 * 1024, 'Whom to call, and in which order'),
      fileOf(3, 'network-2026-11.drawio', 61 * 1024),
      fileOf(4, 'collect-logs.sh', 4_210, 'Run as root; writes to /tmp'),
    ],
    uploads: [],
    deleted: [],
    usedBytes: 81 * MIB,
    settings: { quotaMebibytes: 1024, fileMaxMebibytes: 256 },
    uploadMaxBytes: 256 * MIB,
    ...part,
  };
}
