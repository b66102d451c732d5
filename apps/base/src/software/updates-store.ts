import { z } from 'zod';
import { updateSettings, type UpdateSettings, type UpdatesState } from '@bascule/protocol/api/updates.ts';
import { instantMs } from '@bascule/protocol/text.ts';
import type { Reader, Tx } from '@bascule/store/store.ts';

/** Nothing is fetched, and nothing installs itself, before somebody sets it so (B65). */
export const DEFAULT_UPDATE_SETTINGS: UpdateSettings = {
  serverUrl: '',
  downloadLimitBytesPerSecond: 0,
  checkEveryHours: 24,
  unattended: { isOn: false, days: [0], fromHour: 2, hours: 4 },
  emergencyLane: false,
  watchSeconds: 300,
  keepSnapshots: 3,
  keepVersions: 2,
};

/** Download keys that are remembered: the answer to the oldest is refused as unknown. */
export const REMEMBERED_KEYS_MAX = 100;

/** How the last look for updates ended, and what the update server said about this appliance. */
export const checkResult = z.object({
  atMs: instantMs,
  error: z.object({ code: z.string(), message: z.string(), advice: z.string() }).nullable(),
  validUntilMs: instantMs.nullable(),
  source: z.enum(['server', 'file']),
  maintainedUntilMs: instantMs.nullable(),
  /** Per target, from when on this appliance may have it; null when the source is a plain mirror: everything is offered. Without an answer, nothing is. */
  offeredFromMs: z.record(z.string(), instantMs.nullable()).nullable(),
});
export type CheckResult = z.infer<typeof checkResult>;

export interface UploadRow {
  id: string;
  name: string;
  totalBytes: number;
  sha256: string | null;
  startedAtMs: number;
}

/** The settings; one that was never stored, or that no longer fits, has its default. */
export function readSettings(reader: Reader): UpdateSettings {
  const settings: Record<string, unknown> = { ...DEFAULT_UPDATE_SETTINGS };
  for (const { name, value } of reader.all<{ name: string; value: string }>('SELECT name, value FROM update_setting')) {
    const field = updateSettings.shape[name as keyof UpdateSettings] as z.ZodType | undefined;
    const parsed = field?.safeParse(JSON.parse(value));
    if (parsed?.success === true) settings[name] = parsed.data;
  }
  return updateSettings.parse(settings);
}

export function writeSettings(tx: Tx, settings: UpdateSettings): void {
  for (const [name, value] of Object.entries(settings))
    tx.run(
      'INSERT INTO update_setting (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
      name,
      JSON.stringify(value),
    );
}

export function readTrust(reader: Reader): { confirmedBy: string; confirmedAtMs: number } | undefined {
  return reader.get('SELECT confirmed_by AS confirmedBy, confirmed_at_ms AS confirmedAtMs FROM update_trust');
}

export function writeTrust(tx: Tx, confirmedBy: string, confirmedAtMs: number): void {
  tx.run(
    'INSERT INTO update_trust (one, confirmed_by, confirmed_at_ms) VALUES (1, ?, ?) ON CONFLICT (one) DO UPDATE SET confirmed_by = excluded.confirmed_by, confirmed_at_ms = excluded.confirmed_at_ms',
    confirmedBy,
    confirmedAtMs,
  );
}

export function readCheck(reader: Reader): CheckResult | undefined {
  const row = reader.get<{ result: string }>('SELECT result FROM update_check');
  if (row === undefined) return undefined;
  return checkResult.safeParse(JSON.parse(row.result)).data;
}

export function writeCheck(tx: Tx, result: CheckResult): void {
  tx.run(
    'INSERT INTO update_check (one, result) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET result = excluded.result',
    JSON.stringify(result),
  );
}

export function readEula(reader: Reader, sha256: string): { by: string; atMs: number } | undefined {
  return reader.get('SELECT accepted_by AS "by", accepted_at_ms AS atMs FROM update_eula WHERE sha256 = ?', sha256);
}

/** The first acceptance of a text stands. */
export function writeEula(tx: Tx, sha256: string, by: string, atMs: number): void {
  tx.run('INSERT OR IGNORE INTO update_eula (sha256, accepted_by, accepted_at_ms) VALUES (?, ?, ?)', sha256, by, atMs);
}

/** Notes a download key that was given out, and forgets the oldest beyond the limit. */
export function writeKey(tx: Tx, key: { nonce: string; madeAtMs: number; expiresAtMs: number }): void {
  tx.run('INSERT INTO update_key (nonce, made_at_ms, expires_at_ms) VALUES (?, ?, ?)', key.nonce, key.madeAtMs, key.expiresAtMs);
  tx.run(
    'DELETE FROM update_key WHERE nonce NOT IN (SELECT nonce FROM update_key ORDER BY made_at_ms DESC, nonce LIMIT ?)',
    REMEMBERED_KEYS_MAX,
  );
}

/** Whether this appliance made the download key with this number, and remembers it. */
export function hasKey(reader: Reader, nonce: string): boolean {
  return reader.get('SELECT 1 FROM update_key WHERE nonce = ?', nonce) !== undefined;
}

/** When the newest key ends that is still good at `nowMs`. */
export function openKeyUntil(reader: Reader, nowMs: number): number | undefined {
  return reader.get<{ expiresAtMs: number }>(
    'SELECT expires_at_ms AS expiresAtMs FROM update_key WHERE expires_at_ms > ? ORDER BY expires_at_ms DESC LIMIT 1',
    nowMs,
  )?.expiresAtMs;
}

/** Tables of one shape: packages, and backups that are to be restored. */
export type UploadTable = 'update_upload' | 'restore_upload';
const UPLOAD_COLUMNS = 'id, name, total_bytes AS totalBytes, sha256, started_at_ms AS startedAtMs';

export function readUploads(reader: Reader, table: UploadTable): UploadRow[] {
  return reader.all(`SELECT ${UPLOAD_COLUMNS} FROM ${table} ORDER BY started_at_ms, id`);
}

export function readUpload(reader: Reader, table: UploadTable, id: string): UploadRow | undefined {
  return reader.get(`SELECT ${UPLOAD_COLUMNS} FROM ${table} WHERE id = ?`, id);
}

export function writeUpload(tx: Tx, table: UploadTable, upload: UploadRow): void {
  tx.run(
    `INSERT INTO ${table} (id, name, total_bytes, sha256, started_at_ms) VALUES (?, ?, ?, ?, ?)`,
    upload.id,
    upload.name,
    upload.totalBytes,
    upload.sha256,
    upload.startedAtMs,
  );
}

export function deleteUpload(tx: Tx, table: UploadTable, id: string): void {
  tx.run(`DELETE FROM ${table} WHERE id = ?`, id);
}

/** As pages show it. */
export function withoutOffers({ offeredFromMs: _offered, ...check }: CheckResult): NonNullable<UpdatesState['lastCheck']> {
  return check;
}

/** What changes, from and to, for the audit; empty when nothing does. */
export function describeChanges(before: UpdateSettings, after: UpdateSettings): string {
  return Object.entries(after)
    .filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(before[name as keyof UpdateSettings]))
    .map(([name, value]) => `${name} ${JSON.stringify(before[name as keyof UpdateSettings])} to ${JSON.stringify(value)}`)
    .join(', ');
}
