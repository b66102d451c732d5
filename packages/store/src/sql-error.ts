import { AppError } from '@bascule/errors/app-error.ts';

/** SQLite's primary result codes that we act upon (sqlite.org/rescode.html). */
const ResultCode = {
  busy: 5,
  locked: 6,
  readOnly: 8,
  ioError: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  constraint: 19,
  notADatabase: 26,
} as const;
/** Extended codes of a broken UNIQUE or PRIMARY KEY. */
const UNIQUE_CODES = [2067, 1555, 2579];

/** A statement that SQLite refused. Carries the SQL text, never the values. */
export class SqlError extends Error {
  override name = 'SqlError';
  /** SQLite's extended result code. */
  readonly resultCode: number;
  readonly sql: string;
  constructor(message: string, resultCode: number, sql: string, cause: unknown) {
    super(`${message} (SQL: ${sql})`, { cause });
    this.resultCode = resultCode;
    this.sql = sql;
  }
}

/** Whether `error` says that a UNIQUE or PRIMARY KEY was broken: for callers that answer 'taken already'. */
export function isUniqueViolation(error: unknown): boolean {
  return error instanceof SqlError && UNIQUE_CODES.includes(error.resultCode);
}

function resultCodeOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  return error.errcode;
}

/**
 * Turns what node:sqlite threw into what our callers are told: `STORE_DISK_FULL`, `STORE_IO`, `STORE_BUSY` and `STORE_CORRUPT` are
 * faults of the machine (AppError), all else is a SqlError with the statement's text.
 */
export function storeError(error: unknown, sql: string, path: string): Error {
  const resultCode = resultCodeOf(error);
  if (resultCode === undefined) return error instanceof Error ? error : new Error(String(error));
  const cause = new SqlError((error as Error).message, resultCode, sql, error);
  switch (resultCode & 0xff) {
    case ResultCode.full:
      return new AppError(
        'unavailable',
        'STORE_DISK_FULL',
        `The disk that holds ${path} is full: nothing was changed. Free some space and try again.`,
        { cause },
      );
    case ResultCode.ioError:
    case ResultCode.readOnly:
    case ResultCode.cannotOpen:
      return new AppError(
        'unavailable',
        'STORE_IO',
        `The database ${path} cannot be read or written: nothing was changed. Check the disk and the permissions.`,
        { cause },
      );
    case ResultCode.busy:
    case ResultCode.locked:
      return new AppError(
        'unavailable',
        'STORE_BUSY',
        `The database ${path} is held by another program: nothing was changed. Try again.`,
        { cause },
      );
    case ResultCode.corrupt:
    case ResultCode.notADatabase:
      return corrupt(path, cause);
    default:
      return cause;
  }
}

/** The one sentence about a damaged database file. */
export function corrupt(path: string, cause?: unknown): AppError {
  return new AppError(
    'unavailable',
    'STORE_CORRUPT',
    `The database ${path} is damaged; it was left as it is. Restore it from a backup, or move it away to start anew.`,
    { cause },
  );
}

/** The one sentence about a database that newer software has written. */
export function newer(path: string, what: string): AppError {
  return new AppError(
    'unavailable',
    'STORE_NEWER',
    `The database ${path} was written by newer software (${what}); it was left as it is. Start the newer version, or restore an older backup.`,
  );
}

/** The one sentence to a writer whose turn is over. */
export function fenced(own: number, found: number): AppError {
  return new AppError(
    'unavailable',
    'STORE_FENCED',
    `Another program writes now (generation ${found}, this one is ${own}): nothing was changed. This program must stop.`,
  );
}

/** The one sentence to a change at a store that follows another. */
export function follows(): AppError {
  return new AppError(
    'unavailable',
    'STORE_FOLLOWER',
    'This appliance follows another one and changes nothing by itself. Make the change on the primary.',
  );
}

/** The one sentence to who claims an epoch that is over. */
export function epochOld(claimed: number, found: number): AppError {
  return new AppError(
    'conflict',
    'STORE_EPOCH_OLD',
    `The epoch ${claimed} is over: the database has already seen epoch ${found}. Nothing was changed.`,
  );
}
