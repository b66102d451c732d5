/** Site interface: the file store (B155, B187), /login > Configuration > File Store, below `/api/file-store`; administrators. Files are attachments, never shown by the site. */
import { z } from 'zod';
import { id, byteCount, instantMs, optionalLine, sha256Hex } from '../text.ts';

/** Of a name in UTF-8, after normalising (NFC). */
export const STORED_NAME_MAX_BYTES = 200;
export const STORED_DESCRIPTION_MAX_CHARACTERS = 500;
/** One request of a browser; it sends the next where this one ended. */
export const STORED_PIECE_MAX_BYTES = 8 * 1024 * 1024;
/** Files in the store at most. */
export const STORED_FILES_MAX = 2000;
/** A deleted file can be taken back for so long. */
export const STORED_UNDO_MS = 10_000;
export const FILE_STORE_QUOTA_MAX_MEBIBYTES = 1024 * 1024;

/** What a name may not have: a path, control characters, or characters that turn the direction of text. */
const NAME_REFUSED = /[/\\\p{Cc}\p{Bidi_Control}\p{Cs}]/u;
const utf8 = new TextEncoder();
/** The name of a stored file: normalised (NFC), no path, at most 200 bytes. Names are unique, but for case. */
export const storedName = z
  .string()
  .max(STORED_NAME_MAX_BYTES * 2)
  .transform((name) => name.normalize('NFC').trim())
  .refine((name) => name !== '' && name !== '.' && name !== '..', 'must be a name')
  .refine((name) => !NAME_REFUSED.test(name), 'must not contain slashes or control characters')
  .refine((name) => utf8.encode(name).length <= STORED_NAME_MAX_BYTES, `must be at most ${STORED_NAME_MAX_BYTES} bytes`);

export const storedFile = z.object({
  id: id('storedFile'),
  name: z.string(),
  description: z.string(),
  bytes: byteCount,
  sha256: sha256Hex,
  uploadedAtMs: instantMs,
  uploadedBy: z.string(),
  /** False after a takeover, as long as the content is at the other appliance alone. */
  isHere: z.boolean(),
});
export type StoredFile = z.infer<typeof storedFile>;

/** GET file-store; PUT file-store/settings. Mebibytes. */
export const fileStoreSettings = z.object({
  quotaMebibytes: z.number().int().min(1).max(FILE_STORE_QUOTA_MAX_MEBIBYTES),
  fileMaxMebibytes: z.number().int().min(1).max(FILE_STORE_QUOTA_MAX_MEBIBYTES),
});
export type FileStoreSettings = z.infer<typeof fileStoreSettings>;

/** An upload that is under way, or was broken off: it goes on at `receivedBytes`. */
export const storedUpload = z.object({ id: z.uuid(), name: z.string(), receivedBytes: byteCount, totalBytes: byteCount });
export type StoredUpload = z.infer<typeof storedUpload>;

/** GET file-store */
export const fileStoreState = z.object({
  files: z.array(storedFile).max(STORED_FILES_MAX),
  uploads: z.array(storedUpload),
  /** Deleted a moment ago: POST file-store/files/:id/undelete until then. */
  deleted: z.array(z.object({ id: id('storedFile'), name: z.string(), undoUntilMs: instantMs })),
  usedBytes: byteCount,
  settings: fileStoreSettings,
  /** What an upload may take now: of the quota, the limit of a file and the free space, the smallest. */
  uploadMaxBytes: byteCount,
});
export type FileStoreState = z.infer<typeof fileStoreState>;

/**
 * POST file-store/uploads → storedUpload. Finds the broken-off upload of the same name and size again. Errors: FILE_NAME_TAKEN, FILE_STORE_FULL (quota), FILE_TOO_LARGE
 * (limit of one file), FILE_STORE_NO_ROOM (disk), FILE_STORE_UPLOADS_MANY, FILE_STORE_FILES_MANY.
 */
export const startStoredUpload = z.object({
  name: storedName,
  description: optionalLine(STORED_DESCRIPTION_MAX_CHARACTERS).default(''),
  totalBytes: byteCount,
  /** Of the whole file, when the browser could compute it: compared at the end (FILE_UPLOAD_ALTERED). */
  sha256: sha256Hex.optional(),
});
/**
 * PUT file-store/uploads/:id?from=OFFSET ← application/octet-stream, at most STORED_PIECE_MAX_BYTES → storedUpload. FILE_UPLOAD_OFFSET has params.receivedBytes: go on there.
 * POST file-store/uploads/:id/finish → storedFile (FILE_UPLOAD_INCOMPLETE, FILE_UPLOAD_ALTERED).
 * DELETE file-store/uploads/:id → ok
 * GET file-store/files/:id → the file, as an attachment.
 */

/** PATCH file-store/files/:id → storedFile */
export const changeStoredFile = z.object({
  name: storedName.optional(),
  description: optionalLine(STORED_DESCRIPTION_MAX_CHARACTERS).optional(),
});
/** DELETE file-store/files/:id. POST file-store/files/:id/undelete → storedFile (404 when it is too late; FILE_NAME_TAKEN). */
export const deletedStoredFile = z.object({ undoUntilMs: instantMs });
