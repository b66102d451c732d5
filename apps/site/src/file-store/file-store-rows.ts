/** All SQL of the file store. */
import { z } from 'zod';
import { byteCount, id as idOf, instantMs, sha256Hex } from '@bascule/protocol/text.ts';
import type { Reader, Tx } from '@bascule/store/store.ts';

const fileRow = z.object({
  id: idOf('storedFile'),
  name: z.string(),
  description: z.string(),
  bytes: byteCount,
  sha256: sha256Hex,
  uploadedAtMs: instantMs,
  uploadedBy: z.string(),
  deletedAtMs: instantMs.nullable(),
});
export type FileRow = z.infer<typeof fileRow>;

const uploadRow = z.object({
  id: z.uuid(),
  name: z.string(),
  description: z.string(),
  totalBytes: byteCount,
  /** As the browser computed it. */
  sha256: sha256Hex.nullable(),
  /** As it was computed here, written before the content is put in its place. */
  contentSha256: sha256Hex.nullable(),
  startedAtMs: instantMs,
});
export type UploadRow = z.infer<typeof uploadRow>;

const erasedRow = z.object({ sha256: sha256Hex });

const FILE = `id, name, description, bytes, sha256, uploaded_at_ms AS uploadedAtMs, uploaded_by AS uploadedBy, deleted_at_ms AS deletedAtMs`;
const UPLOAD = `id, name, description, total_bytes AS totalBytes, sha256, content_sha256 AS contentSha256, started_at_ms AS startedAtMs`;

/** Names that differ in case or in how they are composed alone are the same to people. */
export function nameKeyOf(name: string): string {
  return name.normalize('NFKC').toLowerCase();
}

/** Rows that no program of ours wrote (a database that was restored, or that came from the other appliance) are passed over: what they say would become paths. */
function fitting<T>(rows: unknown[], row: z.ZodType<T>): T[] {
  return rows.flatMap((found) => {
    const parsed = row.safeParse(found);
    return parsed.success ? [parsed.data] : [];
  });
}

/** How many rows are passed over, for the log. */
export function countUnfit(reader: Reader): number {
  const unfitIn = (table: string, columns: string, row: z.ZodType<unknown>): number => {
    const rows = reader.all(`SELECT ${columns} FROM ${table}`);
    return rows.length - fitting(rows, row).length;
  };
  return (
    unfitIn('stored_files', FILE, fileRow) +
    unfitIn('stored_uploads', UPLOAD, uploadRow) +
    unfitIn('erased_files', 'sha256', erasedRow)
  );
}

export const allFiles = (reader: Reader) =>
  fitting(reader.all(`SELECT ${FILE} FROM stored_files ORDER BY name_key, id`), fileRow);
export const fileById = (reader: Reader, id: string) =>
  fitting(reader.all(`SELECT ${FILE} FROM stored_files WHERE id = ?`, id), fileRow)[0];
export const fileByName = (reader: Reader, name: string) =>
  fitting(
    reader.all(`SELECT ${FILE} FROM stored_files WHERE name_key = ? AND deleted_at_ms IS NULL`, nameKeyOf(name)),
    fileRow,
  )[0];
export const isReferenced = (reader: Reader, sha256: string) =>
  reader.get('SELECT 1 FROM stored_files WHERE sha256 = ? LIMIT 1', sha256) !== undefined;
export const allUploads = (reader: Reader) => fitting(reader.all(`SELECT ${UPLOAD} FROM stored_uploads ORDER BY id`), uploadRow);
export const uploadById = (reader: Reader, id: string) =>
  fitting(reader.all(`SELECT ${UPLOAD} FROM stored_uploads WHERE id = ?`, id), uploadRow)[0];

export function countFiles(reader: Reader): { files: number; bytes: number } {
  return reader.get('SELECT count(*) AS files, coalesce(sum(bytes), 0) AS bytes FROM stored_files') ?? { files: 0, bytes: 0 };
}

export function insertFile(tx: Tx, row: FileRow): void {
  tx.run(
    `INSERT INTO stored_files (id, name, name_key, description, bytes, sha256, uploaded_at_ms, uploaded_by, deleted_at_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)`,
    row.id,
    row.name,
    nameKeyOf(row.name),
    row.description,
    row.bytes,
    row.sha256,
    row.uploadedAtMs,
    row.uploadedBy,
  );
  tx.run('DELETE FROM erased_files WHERE sha256 = ?', row.sha256);
}

export function updateFile(tx: Tx, id: string, { name, description }: { name: string; description: string }): void {
  tx.run('UPDATE stored_files SET name = ?, name_key = ?, description = ? WHERE id = ?', name, nameKeyOf(name), description, id);
}

export function markDeleted(tx: Tx, id: string, atMs: number | null): void {
  tx.run('UPDATE stored_files SET deleted_at_ms = ? WHERE id = ?', atMs, id);
}

/** Files that were deleted before `beforeMs`, for good now. */
export const deletedBefore = (reader: Reader, beforeMs: number) =>
  fitting(
    reader.all(`SELECT ${FILE} FROM stored_files WHERE deleted_at_ms IS NOT NULL AND deleted_at_ms <= ?`, beforeMs),
    fileRow,
  );

/** The row goes; content that no other row has is noted, so that it goes at the backup too. */
export function eraseFile(tx: Tx, { id, sha256 }: Pick<FileRow, 'id' | 'sha256'>, atMs: number): void {
  tx.run('DELETE FROM stored_files WHERE id = ?', id);
  if (isReferenced(tx, sha256)) return;
  tx.run('INSERT INTO erased_files (sha256, erased_at_ms) VALUES (?, ?) ON CONFLICT (sha256) DO NOTHING', sha256, atMs);
}

/** Content that was erased, which no row has. */
export const erasedContents = (reader: Reader) =>
  fitting(
    reader.all('SELECT sha256 FROM erased_files e WHERE NOT EXISTS (SELECT 1 FROM stored_files f WHERE f.sha256 = e.sha256)'),
    erasedRow,
  ).map(({ sha256 }) => sha256);

/** Both sides have long since removed these. */
export function forgetErased(tx: Tx, beforeMs: number): void {
  tx.run('DELETE FROM erased_files WHERE erased_at_ms < ?', beforeMs);
}

export function insertUpload(tx: Tx, row: UploadRow): void {
  tx.run(
    `INSERT INTO stored_uploads (id, name, description, total_bytes, sha256, content_sha256, started_at_ms) VALUES (?, ?, ?, ?, ?, NULL, ?)`,
    row.id,
    row.name,
    row.description,
    row.totalBytes,
    row.sha256,
    row.startedAtMs,
  );
}

export function noteContent(tx: Tx, id: string, contentSha256: string): void {
  tx.run('UPDATE stored_uploads SET content_sha256 = ? WHERE id = ?', contentSha256, id);
}

export function updateUploadDescription(tx: Tx, id: string, description: string): void {
  tx.run('UPDATE stored_uploads SET description = ? WHERE id = ?', description, id);
}

export function deleteUpload(tx: Tx, id: string): void {
  tx.run('DELETE FROM stored_uploads WHERE id = ?', id);
}
