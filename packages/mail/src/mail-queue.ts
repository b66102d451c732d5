/** The rows of mail_message, mail_failure and mail_settings: all SQL of mail. */
import { uuidv7 } from '@bascule/core/ids.ts';
import type { Reader, Tx } from '@bascule/store/store.ts';

/** One mail to one recipient, so that one refused address delays nobody else. */
export interface QueuedMessage {
  id: string;
  recipient: string;
  subject: string;
  text: string;
  queuedAtMs: number;
  attempts: number;
}

export interface StoredSettings {
  settings: string;
  password: Uint8Array | null;
  lastSentAtMs: number | null;
  lastSentSubject: string | null;
}

const MESSAGE = 'id, recipient, subject, text, queued_at_ms AS queuedAtMs, attempts';

export function readStored(reader: Reader): StoredSettings | undefined {
  return reader.get<StoredSettings>(
    'SELECT settings, password, last_sent_at_ms AS lastSentAtMs, last_sent_subject AS lastSentSubject FROM mail_settings',
  );
}

export function writeSettings(tx: Tx, settings: string, password: Uint8Array | null): void {
  tx.run(
    'INSERT INTO mail_settings (one, settings, password) VALUES (1, ?, ?) ON CONFLICT (one) DO UPDATE SET settings = excluded.settings, password = excluded.password',
    settings,
    password,
  );
}

export function countWaiting(reader: Reader): number {
  return reader.get<{ count: number }>('SELECT count(*) AS count FROM mail_message')?.count ?? 0;
}

export function addMessage(tx: Tx, message: { recipient: string; subject: string; text: string; nowMs: number }): void {
  tx.run(
    'INSERT INTO mail_message (id, recipient, subject, text, queued_at_ms, attempts, next_at_ms) VALUES (?, ?, ?, ?, ?, 0, ?)',
    uuidv7(message.nowMs),
    message.recipient,
    message.subject,
    message.text,
    message.nowMs,
    message.nowMs,
  );
}

/** The message that has been due longest, if any is; one that is due later than `latestMs` was set by a clock that was ahead, and is due too. */
export function nextDue(reader: Reader, nowMs: number, latestMs: number): QueuedMessage | undefined {
  return reader.get<QueuedMessage>(
    `SELECT ${MESSAGE} FROM mail_message WHERE next_at_ms <= ? OR next_at_ms > ? ORDER BY next_at_ms, id LIMIT 1`,
    nowMs,
    latestMs,
  );
}

/** When the next message is due; undefined when none waits. */
export function nextDueAtMs(reader: Reader): number | undefined {
  return reader.get<{ atMs: number | null }>('SELECT min(next_at_ms) AS atMs FROM mail_message')?.atMs ?? undefined;
}

/** Puts one message off; with `allDueBefore`, every message that is due by then as well (the server is at fault, not the message). */
export function postpone(tx: Tx, id: string, nextAtMs: number, allDueBefore: number | undefined): void {
  tx.run(
    'UPDATE mail_message SET attempts = attempts + 1, next_at_ms = ?1 WHERE id = ?2 OR next_at_ms <= ?3',
    nextAtMs,
    id,
    allDueBefore ?? -1,
  );
}

/** Every waiting message is due now. */
export function makeAllDue(tx: Tx, nowMs: number): void {
  tx.run('UPDATE mail_message SET next_at_ms = ?', nowMs);
}

export function removeMessage(tx: Tx, id: string): void {
  tx.run('DELETE FROM mail_message WHERE id = ?', id);
}

export function removeAllMessages(tx: Tx): void {
  tx.run('DELETE FROM mail_message');
}

export interface MailFailure {
  atMs: number;
  subject: string;
  message: string;
  attempts: number;
}

/** The newest failure of a recipient who has got no mail since. */
export function lastFailure(reader: Reader): MailFailure | undefined {
  return reader.get<MailFailure>(
    'SELECT at_ms AS atMs, subject, message, attempts FROM mail_failure ORDER BY at_ms DESC, recipient LIMIT 1',
  );
}

export function noteFailure(tx: Tx, recipient: string, failure: MailFailure): void {
  tx.run(
    'INSERT INTO mail_failure (recipient, at_ms, subject, message, attempts) VALUES (?, ?, ?, ?, ?) ON CONFLICT (recipient) DO UPDATE SET at_ms = excluded.at_ms, subject = excluded.subject, message = excluded.message, attempts = excluded.attempts',
    recipient,
    failure.atMs,
    failure.subject,
    failure.message,
    failure.attempts,
  );
}

export function noteSent(tx: Tx, recipient: string, subject: string, nowMs: number): void {
  tx.run('UPDATE mail_settings SET last_sent_at_ms = ?, last_sent_subject = ?', nowMs, subject);
  tx.run('DELETE FROM mail_failure WHERE recipient = ?', recipient);
}

/** Forgets failures of everybody but `recipients`. */
export function keepFailuresOf(tx: Tx, recipients: readonly string[]): void {
  tx.run('DELETE FROM mail_failure WHERE recipient NOT IN (SELECT value FROM json_each(?))', JSON.stringify(recipients));
}
