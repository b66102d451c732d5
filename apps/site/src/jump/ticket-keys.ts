import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileDurablySync } from '@bascule/core/durable-file.ts';

/** The keys are made anew at a start when they are older than this. */
const TICKET_KEYS_LIFE_MS = 7 * 24 * 60 * 60_000;
const TICKET_KEYS_BYTES = 48;

/** The keys that TLS session tickets are made with: kept over a restart, so that reconnecting clients resume their sessions. */
export function readTicketKeys(keysDir: string, nowMs: number): Buffer {
  const file = join(keysDir, 'link-tickets.key');
  if (existsSync(file) && nowMs - statSync(file).mtimeMs < TICKET_KEYS_LIFE_MS) {
    const keys = readFileSync(file);
    if (keys.length === TICKET_KEYS_BYTES) return keys;
  }
  const keys = randomBytes(TICKET_KEYS_BYTES);
  writeFileDurablySync(file, keys);
  return keys;
}
