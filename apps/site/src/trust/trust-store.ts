import type { Reader, Tx } from '@bascule/store/store.ts';

/** Where the audit chain was when something was signed: an event, and its hash. */
export interface HistoryPlace {
  appliance: string;
  epoch: number;
  sequence: number;
  hash: string;
}

/** The newest event. */
export function newestEvent(reader: Reader): HistoryPlace | undefined {
  return reader.get<HistoryPlace>(
    'SELECT appliance, epoch, sequence, hash FROM audit_event ORDER BY sequence DESC, epoch DESC, appliance DESC LIMIT 1',
  );
}

/** Whether this database holds the very event. */
export function holdsEvent(reader: Reader, { appliance, epoch, sequence, hash }: HistoryPlace): boolean {
  const found = reader.get<{ hash: string }>(
    'SELECT hash FROM audit_event WHERE appliance = ? AND epoch = ? AND sequence = ?',
    appliance,
    epoch,
    sequence,
  );
  return found?.hash === hash;
}

/** When the newest event happened that is not younger than `atMs`; found by halving, since events are numbered as they come. 0 when there is none. */
export function lastEventBefore(reader: Reader, atMs: number): number {
  const at = (sequence: number) =>
    reader.get<{ atMs: number }>(
      'SELECT at_ms AS atMs FROM audit_event WHERE sequence <= ? ORDER BY sequence DESC, epoch DESC, appliance DESC LIMIT 1',
      sequence,
    )?.atMs;
  let found = 0;
  let low = 1;
  let high = newestEvent(reader)?.sequence ?? 0;
  while (low <= high) {
    const middle = Math.floor((low + high) / 2);
    const eventAtMs = at(middle);
    if (eventAtMs !== undefined && eventAtMs > atMs) high = middle - 1;
    else {
      found = Math.max(found, eventAtMs ?? 0);
      low = middle + 1;
    }
  }
  return found;
}

const THE_ONE = 'site';

export function readRestored(reader: Reader): { sinceMs: number; clients: number } | undefined {
  return reader.get('SELECT since_ms AS sinceMs, clients FROM trust_restored WHERE id = ?', THE_ONE);
}

export function writeRestored(tx: Tx, { sinceMs, clients }: { sinceMs: number; clients: number }, nowMs: number): void {
  tx.run(
    `INSERT INTO trust_restored (id, since_ms, clients, noticed_at_ms) VALUES (?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET since_ms = excluded.since_ms, clients = excluded.clients`,
    THE_ONE,
    sinceMs,
    clients,
    nowMs,
  );
}

export function removeRestored(tx: Tx): void {
  tx.run('DELETE FROM trust_restored WHERE id = ?', THE_ONE);
}

/** The identities that this database has seen, newest first. */
export function knownIdentity(reader: Reader): string | undefined {
  return reader.get<{ fingerprint: string }>(
    'SELECT fingerprint_sha256 AS fingerprint FROM trust_identities ORDER BY since_ms DESC, fingerprint_sha256 LIMIT 1',
  )?.fingerprint;
}

export function noteIdentity(tx: Tx, fingerprint: string, sinceMs: number): void {
  tx.run(
    'INSERT INTO trust_identities (fingerprint_sha256, since_ms) VALUES (?, ?) ON CONFLICT (fingerprint_sha256) DO UPDATE SET since_ms = excluded.since_ms',
    fingerprint,
    sinceMs,
  );
}
