import type { UpgradeFailure } from '@bascule/protocol/client-program.ts';

/** What package-format's codes mean for an upgrade. */
const FAILURE_OF_CODE: Record<string, UpgradeFailure> = {
  DISK_FULL: 'disk-full',
  ENOSPC: 'disk-full',
  EDQUOT: 'disk-full',
  PACKAGE_HASH: 'wrong-bytes',
  BUNDLE_MALFORMED: 'wrong-bytes',
  BUNDLE_INCOMPLETE: 'wrong-bytes',
  METADATA_OLDER: 'signature',
  METADATA_REFUSED: 'signature',
  METADATA_EXPIRED: 'signature',
  MIRROR_INCOMPLETE: 'signature',
  PACKAGE_UNKNOWN: 'signature',
  TRUST_MISSING: 'signature',
  TRUST_INVALID: 'signature',
  ARCHIVE_UNREADABLE: 'unpack',
  ARCHIVE_TRUNCATED: 'unpack',
  ARCHIVE_MALFORMED: 'unpack',
  ARCHIVE_ENTRY_REFUSED: 'unpack',
  ARCHIVE_TOO_LARGE: 'unpack',
};

/** An upgrade ended before its candidate was started. The message is a sentence for a person. */
export class UpgradeError extends Error {
  readonly failure: UpgradeFailure;

  constructor(failure: UpgradeFailure, message: string) {
    super(message);
    this.failure = failure;
  }

  /** Names the failure of any error by its code, `otherwise` when the code says nothing. */
  static from(error: unknown, otherwise: UpgradeFailure): UpgradeError {
    if (error instanceof UpgradeError) return error;
    const { code = '', message }: NodeJS.ErrnoException = error instanceof Error ? error : new Error(String(error));
    return new UpgradeError(FAILURE_OF_CODE[code] ?? otherwise, message);
  }
}
