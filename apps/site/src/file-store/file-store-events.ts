import { defineAuditEvent } from '@bascule/store/audit.ts';

type File = { file: string; name: string };

export const uploadBegun = defineAuditEvent<{ name: string; bytes: number }>(
  'FILE_UPLOAD_BEGUN',
  'Began to upload the file {name} of {bytes} bytes',
);
export const contentTaken = defineAuditEvent<{ name: string; sha256: string }>(
  'FILE_CONTENT_TAKEN',
  'The content of {name} is whole',
  { housekeeping: true },
);
export const uploaded = defineAuditEvent<File & { bytes: number; sha256: string }>(
  'FILE_UPLOADED',
  'Uploaded the file {name} of {bytes} bytes',
  { waitsForPeer: true },
);
export const uploadRemoved = defineAuditEvent<{ name: string }>('FILE_UPLOAD_REMOVED', 'Removed the unfinished upload of {name}');
export const changed = defineAuditEvent<File & { before: string }>(
  'FILE_CHANGED',
  'Changed the name or description of {before}: {name}',
);
export const downloaded = defineAuditEvent<File>('FILE_DOWNLOADED', 'Downloaded the file {name}');
export const deleted = defineAuditEvent<File>('FILE_DELETED', 'Deleted the file {name}', { waitsForPeer: true });
export const undeleted = defineAuditEvent<File>('FILE_UNDELETED', 'Took back the deletion of the file {name}');
export const erased = defineAuditEvent<{ files: string[] }>('FILE_ERASED', 'Erased deleted files for good: {files}', {
  housekeeping: true,
});
export const settingsChanged = defineAuditEvent<{ quotaMebibytes: number; fileMaxMebibytes: number }>(
  'FILE_STORE_SETTINGS_CHANGED',
  'Set the file store to {quotaMebibytes} MiB in all and {fileMaxMebibytes} MiB for one file',
);
