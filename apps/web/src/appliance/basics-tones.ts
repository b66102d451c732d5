const DAY_MS = 86_400_000;
const EXPIRES_SOON_MS = 30 * DAY_MS;
const DISK_LOW_FRACTION = 0.1;
const DISK_FULL_FRACTION = 0.03;

export type Tone = 'ok' | 'warn' | 'bad';

/** Free disk space below a tenth is a warning, below three hundredths bad. */
export function diskTone(disk: { totalBytes: number; freeBytes: number }): Tone {
  const free = disk.totalBytes === 0 ? 0 : disk.freeBytes / disk.totalBytes;
  return free < DISK_FULL_FRACTION ? 'bad' : free < DISK_LOW_FRACTION ? 'warn' : 'ok';
}

/** A certificate that ends within thirty days is a warning, an expired one bad. */
export function certificateTone(notAfterMs: number, nowMs: number): Tone {
  if (notAfterMs <= nowMs) return 'bad';
  return notAfterMs - nowMs < EXPIRES_SOON_MS ? 'warn' : 'ok';
}
