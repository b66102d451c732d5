/**
 * The clock that leases are counted on: milliseconds since this machine was started, time in suspend included (CLOCK_BOOTTIME, by /proc/uptime). Setting the
 * system's clock does not move it. Linux alone; it steps by BOOT_CLOCK_GRAIN_MS.
 */
import { openSync, readSync } from 'node:fs';

/** The file has two decimals of a second. */
export const BOOT_CLOCK_GRAIN_MS = 10;
const LINE_MAX_BYTES = 64;
const DOT = 0x2e;
const ZERO = 0x30;

const line = Buffer.alloc(LINE_MAX_BYTES);
let descriptor: number | undefined;

/** Now, in milliseconds; never later than it truly is. Costs a few microseconds. Throws what the file system says. */
export function bootClockMs(): number {
  descriptor ??= openSync('/proc/uptime', 'r');
  const length = readSync(descriptor, line, 0, LINE_MAX_BYTES, 0);
  let hundredths = 0;
  let decimals = -1;
  for (let index = 0; index < length && decimals !== 2; index += 1) {
    const byte = line[index]!;
    if (byte === DOT) decimals = 0;
    else {
      hundredths = hundredths * 10 + (byte - ZERO);
      if (decimals >= 0) decimals += 1;
    }
  }
  if (decimals !== 2 || !Number.isSafeInteger(hundredths))
    throw new Error('/proc/uptime does not say how long this machine runs');
  return hundredths * 10;
}
