import { copyFileSync, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** A log larger than this is put aside as appliance.log.1, in place of the one before. */
export const LOG_MAX_BYTES = 64 * 1024 * 1024;
const SIZE_CHECK_INTERVAL_MS = 5_000;

/**
 * The one log file of the appliance. Every program holds the same descriptor in append mode, so it cannot be renamed away from under them: when
 * full it is copied and emptied. The lines of that moment may be lost; the disk never fills.
 */
export class ApplianceLog {
  readonly descriptor: number;
  readonly #file: string;
  readonly #maxBytes: number;

  constructor(directory: string, maxBytes: number = LOG_MAX_BYTES) {
    this.#file = join(directory, 'appliance.log');
    this.#maxBytes = maxBytes;
    // 'a+': appending as the children do, and readable for the copy.
    this.descriptor = openSync(this.#file, 'a+', 0o600);
    this.rotateIfFull();
    setInterval(() => this.rotateIfFull(), SIZE_CHECK_INTERVAL_MS).unref();
  }

  /** Writes one line of boot's own, in the form of packages/log. A disk that is full loses the line, not boot. */
  write(event: string, fields: Record<string, string | number | null> = {}): void {
    const line = { level: 30, time: new Date().toISOString(), program: 'boot', pid: process.pid, ...fields, event };
    try {
      writeSync(this.descriptor, `${JSON.stringify(line)}\n`);
    } catch {
      // Nowhere to say it: this is the log.
    }
  }

  rotateIfFull(): void {
    if (fstatSync(this.descriptor).size <= this.#maxBytes) return;
    try {
      copyFileSync(this.#file, `${this.#file}.1`);
    } catch {
      // No room for the copy: an empty log is better than a full disk.
    }
    ftruncateSync(this.descriptor, 0);
  }
}
