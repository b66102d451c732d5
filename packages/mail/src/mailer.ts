/**
 * Mail that is sent later than it is written: rows of a queue, tried again with growing waits, dropped after a day, the last failure shown.
 * One row per recipient. A program that is killed after the server took a mail and before that is noted sends it again, with the same Message-ID.
 */
import type { KeyWrap } from '@bascule/accounts/key-wrap.ts';
import { uuidv7 } from '@bascule/core/ids.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import type { ChangeMailSettings, MailSettings, MailState } from '@bascule/protocol/api/updates.ts';
import { SYSTEM, type Context, type Store, type Tx } from '@bascule/store/store.ts';
import { deliver, DeliveryError } from './delivery.ts';
import * as events from './mail-events.ts';
import * as queue from './mail-queue.ts';
import { checkChange, describeChange, parseSettings, SERVER_FIELDS } from './mail-settings.ts';
import { mailText, type MailEvent } from './mail-texts.ts';
import { MAIL_PASSWORD_PURPOSE } from './mail-wrapped.ts';

export { mailMigrations } from './mail-migrations.ts';
export { mailWrappedColumns } from './mail-wrapped.ts';

/** Rows that wait at most; more are not taken, and that is shown as a failure. */
export const QUEUE_MAX_MESSAGES = 1000;
/** A mail that could not be sent for so long is dropped. */
export const KEEP_TRYING_MS = 24 * 60 * 60 * 1000;
/** The wait after the first failure; it doubles with each up to RETRY_MAX_MS. */
export const RETRY_FIRST_MS = 30_000;
export const RETRY_MAX_MS = 60 * 60 * 1000;
export const SUBJECT_MAX_CHARACTERS = 200;
export const TEXT_MAX_CHARACTERS = 64 * 1024;

export interface MailerOptions {
  store: Store;
  keyWrap: KeyWrap;
  log: Log;
  now?: () => number;
  /** As texts name this appliance or server. */
  sender: string;
}

export interface Message {
  subject: string;
  text: string;
  /** Those of the settings when absent. */
  recipients?: readonly string[];
}

/** Sends the mail of one program. Its settings, its password (wrapped) and its queue are rows of the program's store. */
export class Mailer {
  readonly #store: Store;
  readonly #keyWrap: KeyWrap;
  readonly #log: Log;
  readonly #now: () => number;
  readonly #sender: string;
  #timer: NodeJS.Timeout | undefined;
  #delivering: Promise<void> | undefined;
  /** Somebody asked for a delivery since the last one began. */
  #isWanted = false;
  #isTesting = false;
  #isStarted = false;
  readonly #closing = new AbortController();

  constructor({ store, keyWrap, log, now = Date.now, sender }: MailerOptions) {
    this.#store = store;
    this.#keyWrap = keyWrap;
    this.#log = log;
    this.#now = now;
    this.#sender = sender;
  }

  /** Begins to send what waits. Before it (a candidate, a trial) mails are only queued. */
  start(): void {
    this.#isStarted = true;
    this.#deliverSoon();
  }

  /** Stops sending; what waits stays in its rows. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#closing.abort();
    await this.#delivering?.catch(() => undefined);
  }

  /** What the page shows. The password is never in it. */
  settings(): MailState {
    const stored = queue.readStored(this.#store);
    const settings = parseSettings(stored?.settings);
    return {
      settings: { ...settings, hasPassword: stored?.password != null },
      lastSent: stored?.lastSentAtMs == null ? null : { atMs: stored.lastSentAtMs, subject: stored.lastSentSubject ?? '' },
      lastFailure: queue.lastFailure(this.#store) ?? null,
      waiting: queue.countWaiting(this.#store),
    };
  }

  /**
   * Changes the settings. Throws MAIL_HOST_MISSING, MAIL_FROM_INVALID, MAIL_RECIPIENTS_MISSING, MAIL_ACCOUNT_MISSING, and MAIL_PASSWORD_NEEDED: a stored
   * password goes to no other server, account or weaker protection than that for which it was given.
   */
  change(context: Context, { password, ...after }: ChangeMailSettings): void {
    const stored = queue.readStored(this.#store);
    const before = parseSettings(stored?.settings);
    checkChange(before, after, password, stored?.password != null);
    const wrapped = this.#wrap(password, stored?.password ?? null);
    const changes = describeChange(before, after, password);
    if (changes === '') return;
    this.#store.transact(context, events.settingsChanged({ changes }), (tx) => {
      queue.writeSettings(tx, JSON.stringify(after), wrapped);
      queue.keepFailuresOf(tx, after.recipients);
      if (after.isOn) queue.makeAllDue(tx, this.#now());
      else queue.removeAllMessages(tx);
      tx.afterCommit(() => this.#deliverSoon());
    });
  }

  /** For an export: the settings, and with `withPassword` the password in clear, when there is one that opens. */
  exported(withPassword: boolean): ChangeMailSettings {
    const stored = queue.readStored(this.#store);
    if (!withPassword || stored?.password == null) return parseSettings(stored?.settings);
    return { ...parseSettings(stored.settings), password: this.#password() ?? '' };
  }

  /**
   * For an import, inside its transaction: takes over exported settings. Without a password the stored one stays, but only for the server, account and protection for which it was
   * given. Throws as `change` does for what cannot work.
   */
  import(tx: Tx, { password, ...after }: ChangeMailSettings): void {
    const stored = queue.readStored(tx);
    const before = parseSettings(stored?.settings);
    const isSameServer = SERVER_FIELDS.every((name) => before[name] === after[name]);
    const taken = password ?? (isSameServer ? undefined : '');
    checkChange(before, after, taken, stored?.password != null);
    queue.writeSettings(tx, JSON.stringify(after), this.#wrap(taken, stored?.password ?? null));
    queue.keepFailuresOf(tx, after.recipients);
    if (!after.isOn) queue.removeAllMessages(tx);
    tx.afterCommit(() => this.#deliverSoon());
  }

  /** Queues a mail; it is on disk when this returns. Does nothing while mail is off or has no recipients. Never throws for what is wrong with mail. */
  send({ subject, text, recipients }: Message): void {
    const settings = this.#settings();
    const to = [...new Set(recipients ?? settings.recipients)];
    if (!settings.isOn || to.length === 0) return;
    const nowMs = this.#now();
    const line = subject.replace(/[\p{Cc}\s]+/gu, ' ').slice(0, SUBJECT_MAX_CHARACTERS);
    const room = Math.max(0, QUEUE_MAX_MESSAGES - queue.countWaiting(this.#store));
    const refused = to.slice(room);
    const event =
      refused.length === 0
        ? events.queued({ subject: line, count: to.length })
        : events.dropped({ subject: line, recipient: refused.join(', '), reason: QUEUE_FULL, attempts: 0 });
    this.#store.transact(SYSTEM, event, (tx) => {
      for (const recipient of to.slice(0, room))
        queue.addMessage(tx, { recipient, subject: line, text: text.slice(0, TEXT_MAX_CHARACTERS), nowMs });
      for (const recipient of refused)
        queue.noteFailure(tx, recipient, { atMs: nowMs, subject: line, message: QUEUE_FULL, attempts: 0 });
      tx.afterCommit(() => this.#deliverSoon());
    });
  }

  /** Queues the text about `event`, in the language of the settings or in `to.language`. */
  tell(event: MailEvent, to?: { recipients: readonly string[]; language: MailSettings['language'] }): void {
    const message = mailText(event, to?.language ?? this.#settings().language, this.#sender);
    this.send({ ...message, ...(to !== undefined && { recipients: to.recipients }) });
  }

  /** Sends a test mail at once, past the queue, even while mail is off. Throws MAIL_NOT_CONFIGURED, MAIL_TEST_RUNNING, and MAIL_FAILED with the server's own words. */
  async test(context: Context, to?: string): Promise<void> {
    const settings = this.#settings();
    const recipients = to === undefined ? settings.recipients : [to];
    if (settings.host === '' || settings.from === '' || recipients.length === 0)
      throw new AppError('conflict', 'MAIL_NOT_CONFIGURED', 'Save a server, a sender and at least one recipient first.');
    if (this.#isTesting) throw new AppError('conflict', 'MAIL_TEST_RUNNING', 'A test mail is being sent; wait for its end.');
    this.#isTesting = true;
    const message = mailText({ kind: 'test' }, settings.language, this.#sender);
    try {
      for (const recipient of recipients) await this.#deliverNow({ ...message, recipient, id: uuidv7(this.#now()) }, settings);
    } catch (error) {
      if (!(error instanceof DeliveryError)) throw error;
      this.#store.transact(context, events.testFailed({ reason: error.message }), () => undefined);
      throw new AppError('unavailable', 'MAIL_FAILED', `The mail was not sent: ${error.message}`, {
        params: { reason: error.message },
        cause: error,
      });
    } finally {
      this.#isTesting = false;
    }
    this.#store.transact(context, events.tested({ recipients: recipients.length }), (tx) => {
      for (const recipient of recipients) queue.noteSent(tx, recipient, message.subject, this.#now());
    });
  }

  /** Sends everything that is due; resolves when nothing more is. The timer calls it, and whoever cannot wait for that. */
  async deliverDue(): Promise<void> {
    this.#isWanted = true;
    while (this.#isWanted || this.#delivering !== undefined) {
      this.#delivering ??= this.#deliverAll().finally(() => {
        this.#delivering = undefined;
        this.#plan();
      });
      await this.#delivering;
    }
  }

  async #deliverAll(): Promise<void> {
    this.#isWanted = false;
    while (!this.#closing.signal.aborted) {
      const stored = queue.readStored(this.#store);
      const settings = parseSettings(stored?.settings);
      const nowMs = this.#now();
      const message = settings.isOn ? queue.nextDue(this.#store, nowMs, nowMs + RETRY_MAX_MS) : undefined;
      if (message === undefined) return;
      try {
        await this.#deliverNow(message, settings);
        this.#noteSent(message);
      } catch (error) {
        if (!(error instanceof DeliveryError)) throw error;
        // What fails with settings that were changed meanwhile says nothing: it is tried again at once.
        const isStale = !isSameAccess(stored, queue.readStored(this.#store));
        if (!isStale && !this.#closing.signal.aborted) this.#noteFailure(message, error);
      }
    }
  }

  #deliverNow(message: { id: string; recipient: string; subject: string; text: string }, settings: MailSettings): Promise<void> {
    return deliver({ ...message, atMs: this.#now() }, settings, this.#password(), this.#closing.signal);
  }

  /** The password in clear. Throws a `DeliveryError` when it does not open: that is shown, and a new password mends it. */
  #password(): string | undefined {
    const wrapped = queue.readStored(this.#store)?.password;
    if (wrapped == null) return undefined;
    try {
      return Buffer.from(this.#keyWrap.unwrap(wrapped, MAIL_PASSWORD_PURPOSE)).toString();
    } catch (error) {
      throw new DeliveryError(
        'server',
        false,
        'the stored password does not open with the key of this installation: save it again, or restore the vault key',
        error,
      );
    }
  }

  #noteSent(message: queue.QueuedMessage): void {
    const { subject, recipient } = message;
    this.#store.transact(SYSTEM, events.sent({ subject, recipient }), (tx) => {
      queue.removeMessage(tx, message.id);
      queue.noteSent(tx, recipient, subject, this.#now());
    });
  }

  #noteFailure(message: queue.QueuedMessage, error: DeliveryError): void {
    const { subject, recipient } = message;
    const nowMs = this.#now();
    const attempts = message.attempts + 1;
    const isLast = error.isFinal || nowMs - message.queuedAtMs >= KEEP_TRYING_MS;
    const details = { subject, recipient, reason: error.message, attempts };
    this.#log.warn({ subject, reason: error.message, attempts, isLast }, 'mail.failed');
    this.#store.transact(SYSTEM, isLast ? events.dropped(details) : events.failed(details), (tx) => {
      queue.noteFailure(tx, recipient, { atMs: nowMs, subject, message: `${recipient}: ${error.message}`, attempts });
      if (isLast) queue.removeMessage(tx, message.id);
      else queue.postpone(tx, message.id, nowMs + retryWaitMs(attempts), error.scope === 'server' ? nowMs : undefined);
    });
  }

  #settings(): MailSettings {
    return parseSettings(queue.readStored(this.#store)?.settings);
  }

  #wrap(password: string | undefined, stored: Uint8Array | null): Uint8Array | null {
    if (password === undefined) return stored;
    return password === '' ? null : this.#keyWrap.wrap(Buffer.from(password), MAIL_PASSWORD_PURPOSE);
  }

  #deliverSoon(): void {
    if (!this.#isStarted || this.#closing.signal.aborted) return;
    void this.deliverDue().catch((error: unknown) => this.#log.error({ err: error }, 'mail.queue-failed'));
  }

  #plan(): void {
    clearTimeout(this.#timer);
    if (!this.#isStarted || this.#closing.signal.aborted || !this.#settings().isOn) return;
    const atMs = queue.nextDueAtMs(this.#store);
    if (atMs === undefined) return;
    const waitMs = Math.min(Math.max(atMs - this.#now(), RETRY_FIRST_MS / 10), RETRY_MAX_MS);
    this.#timer = setTimeout(() => this.#deliverSoon(), waitMs).unref();
  }
}

const QUEUE_FULL = `${QUEUE_MAX_MESSAGES} mails are waiting already; this one was not queued`;

function isSameAccess(before: queue.StoredSettings | undefined, after: queue.StoredSettings | undefined): boolean {
  const hex = (stored: queue.StoredSettings | undefined) => Buffer.from(stored?.password ?? []).toString('hex');
  return before?.settings === after?.settings && hex(before) === hex(after);
}

/** The wait after the failure number `attempts`. */
export function retryWaitMs(attempts: number): number {
  return Math.min(RETRY_FIRST_MS * 2 ** (attempts - 1), RETRY_MAX_MS);
}
