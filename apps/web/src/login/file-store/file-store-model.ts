import type { StoredFile } from '@bascule/protocol/api/file-store.ts';
import type { Tone } from '../../shared/Section.tsx';

export const MEBIBYTE_BYTES = 1024 * 1024;
/** Shares of the quota from which on the store is said to be nearly full, and full. */
const NEARLY_FULL = 0.85;
const FULL = 0.98;

export function quotaTone(usedBytes: number, quotaBytes: number): Tone {
  const share = quotaBytes === 0 ? 1 : usedBytes / quotaBytes;
  if (share >= FULL) return 'bad';
  return share >= NEARLY_FULL ? 'warn' : 'ok';
}

/** Files whose name, description or uploader has every word of `text`. */
export function matching(files: readonly StoredFile[], text: string): StoredFile[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return files.filter(({ name, description, uploadedBy }) => {
    const whole = `${name} ${description} ${uploadedBy}`.toLowerCase();
    return words.every((word) => whole.includes(word));
  });
}
