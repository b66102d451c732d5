import { AppError } from '@bascule/errors/app-error.ts';

export function recordingMissing(): AppError {
  return new AppError(
    'not-found',
    'RECORDING_MISSING',
    'This access session has no recording: it ended before one could be written, or the file is gone.',
  );
}

export function recordingChanged(cause: unknown): AppError {
  return new AppError(
    'conflict',
    'RECORDING_CHANGED',
    'This recording was changed after it was written: download it and run npm run verify on it.',
    { cause },
  );
}

export function tooManyReaders(limit: number): AppError {
  return new AppError(
    'limited',
    'REPORT_READERS_LIMIT',
    `${limit} recordings are being read already: try again in a few seconds.`,
    {
      params: { limit },
      retryAfterSeconds: 3,
    },
  );
}
