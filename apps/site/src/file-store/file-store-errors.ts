import { AppError } from '@bascule/errors/app-error.ts';
import { STORED_FILES_MAX } from '@bascule/protocol/api/file-store.ts';

export const nameTaken = (name: string) =>
  new AppError('conflict', 'FILE_NAME_TAKEN', `There is a file named ${name} already: choose another name, or delete that one.`, {
    field: 'body.name',
    params: { name },
  });
export const storeFull = (bytes: number) =>
  new AppError(
    'conflict',
    'FILE_STORE_FULL',
    `The file store takes ${Math.max(0, bytes)} bytes more: delete files, or raise its quota.`,
    { params: { bytes: Math.max(0, bytes) } },
  );
export const tooLarge = (bytes: number) =>
  new AppError('conflict', 'FILE_TOO_LARGE', `One file may have ${bytes} bytes: raise the limit of one file.`, {
    params: { bytes },
  });
export const noRoom = () =>
  new AppError(
    'conflict',
    'FILE_STORE_NO_ROOM',
    'The disk of the appliance has no room for this file: make room on it first. What is kept free is for the database.',
  );
export const tooManyUploads = (limit: number) =>
  new AppError('limited', 'FILE_STORE_UPLOADS_MANY', `${limit} uploads are here already: finish or remove one.`, {
    params: { limit },
  });
export const tooManyFiles = () =>
  new AppError('conflict', 'FILE_STORE_FILES_MANY', `The file store holds ${STORED_FILES_MAX} files: delete one first.`, {
    params: { limit: STORED_FILES_MAX },
  });
export const busy = () => new AppError('conflict', 'FILE_UPLOAD_BUSY', 'Another request is working on this upload: wait for it.');
export const wrongOffset = (receivedBytes: number) =>
  new AppError('conflict', 'FILE_UPLOAD_OFFSET', `${receivedBytes} bytes are here: go on from there.`, {
    params: { receivedBytes },
  });
export const tooLong = (totalBytes: number) =>
  new AppError('invalid', 'FILE_UPLOAD_TOO_LONG', `The file is longer than the ${totalBytes} bytes that were announced.`);
export const pieceTooLarge = (bytes: number) =>
  new AppError('too-large', 'FILE_PIECE_TOO_LARGE', `One piece is at most ${bytes} bytes.`, { params: { bytes } });
export const incomplete = (receivedBytes: number, totalBytes: number) =>
  new AppError('conflict', 'FILE_UPLOAD_INCOMPLETE', `${receivedBytes} of ${totalBytes} bytes are here: go on with the upload.`, {
    params: { receivedBytes, totalBytes },
  });
export const altered = () =>
  new AppError('invalid', 'FILE_UPLOAD_ALTERED', 'The file was altered on its way here: remove the upload, and begin it again.');
export const contentMissing = (name: string) =>
  new AppError(
    'unavailable',
    'FILE_CONTENT_MISSING',
    `The content of ${name} is not on this appliance: it was uploaded at the other one, and had not come over. It comes when that one is back; or upload the file again.`,
    { params: { name } },
  );
