/** One mail over SMTP: connects, checks the server's certificate, logs in, sends. Nothing of ours is told before the certificate is right. */
import { createHash } from 'node:crypto';
import { TLSSocket } from 'node:tls';
import MailComposer from 'nodemailer/lib/mail-composer';
import SMTPConnection from 'nodemailer/lib/smtp-connection';
import type { MailSettings } from '@bascule/protocol/api/updates.ts';

/** Name look-up and connecting, all addresses together. */
const CONNECT_TIMEOUT_MS = 15_000;
const GREETING_TIMEOUT_MS = 15_000;
/** Without a byte from the server. */
const SILENCE_TIMEOUT_MS = 30_000;
/** One mail, from connecting to the server's last word. */
export const DELIVERY_TIMEOUT_MS = 90_000;
const ANSWER_MAX_BYTES = 64 * 1024;
/** Of the server's words, in what people are shown. */
const REASON_MAX_CHARACTERS = 500;

/** Codes of the operating system (errno(3), getaddrinfo(3)), in the message because nodemailer puts a code of its own in their place. */
const NOBODY_ANSWERED = /\b(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|ENOTFOUND|EAI_AGAIN)\b/;

export interface OutgoingMail {
  /** Stable over all attempts: a mail that arrives twice can be told by it. */
  id: string;
  recipient: string;
  subject: string;
  text: string;
  atMs: number;
}

/** What stood in the way. `server`: no mail gets through now; `message`: this one is refused, for good when `isFinal`. */
export class DeliveryError extends Error {
  override name = 'DeliveryError';
  readonly scope: 'server' | 'message';
  readonly isFinal: boolean;
  constructor(scope: 'server' | 'message', isFinal: boolean, reason: string, cause?: unknown) {
    super(plainLine(reason), { cause });
    this.scope = scope;
    this.isFinal = isFinal;
  }
}

/**
 * Delivers `mail` to the server of `settings`; resolves when the server has taken it. Throws `DeliveryError`, in the server's own words where it said
 * any. `signal` ends the connection.
 */
export async function deliver(
  mail: OutgoingMail,
  settings: MailSettings,
  password: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const message = await compose(mail, settings.from);
  signal.throwIfAborted();
  const connection = new SMTPConnection(connectionOptions(settings));
  const ended = Promise.withResolvers<never>();
  // Errors after the last step has ended have nobody to tell.
  ended.promise.catch(() => undefined);
  const stop = (reason: string): void => {
    ended.reject(new DeliveryError('server', false, reason));
    connection.close();
  };
  const limit = setTimeout(() => stop(`no end after ${DELIVERY_TIMEOUT_MS / 1000} s`), DELIVERY_TIMEOUT_MS);
  const abort = (): void => stop('sending was stopped');
  signal.addEventListener('abort', abort, { once: true });
  connection.on('error', (error: Error) => ended.reject(connectFault(error, settings)));
  connection.on('end', () => ended.reject(new DeliveryError('server', false, 'the server closed the connection')));
  try {
    const step = <T>(work: Promise<T>): Promise<T> => Promise.race([work, ended.promise]);
    await step(connected(connection, settings));
    checkSecurity(connection, settings);
    if (settings.account !== '') await step(loggedIn(connection, settings.account, password ?? ''));
    await step(accepted(connection, { from: settings.from, to: mail.recipient }, message));
    connection.quit();
  } finally {
    clearTimeout(limit);
    signal.removeEventListener('abort', abort);
    connection.close();
  }
}

function connectionOptions({
  host,
  port,
  security,
  certificateSha256,
}: MailSettings): ConstructorParameters<typeof SMTPConnection>[0] {
  return {
    host,
    port,
    secure: security === 'tls',
    requireTLS: security === 'starttls',
    ignoreTLS: security === 'none',
    connectionTimeout: CONNECT_TIMEOUT_MS,
    dnsTimeout: CONNECT_TIMEOUT_MS,
    greetingTimeout: GREETING_TIMEOUT_MS,
    socketTimeout: SILENCE_TIMEOUT_MS,
    maxResponseSize: ANSWER_MAX_BYTES,
    logger: false,
    // A pinned certificate is compared by checkSecurity instead: it need not have an authority, a fitting name or a date.
    tls: { minVersion: 'TLSv1.2', rejectUnauthorized: certificateSha256 === '' },
  };
}

/** Before anything secret is said: TLS as configured, and the pinned certificate when there is one. */
function checkSecurity(connection: SMTPConnection, { security, certificateSha256 }: MailSettings): void {
  if (security === 'none') return;
  const socket = connection._socket;
  if (!(socket instanceof TLSSocket)) throw new DeliveryError('server', false, 'the server did not begin TLS');
  if (certificateSha256 === '') {
    if (!socket.authorized)
      throw new DeliveryError('server', false, `the server's certificate is not trusted: ${String(socket.authorizationError)}`);
    return;
  }
  const { raw } = socket.getPeerCertificate();
  const found = createHash('sha256').update(raw).digest('hex');
  if (found !== certificateSha256)
    throw new DeliveryError(
      'server',
      false,
      `the server showed another certificate than the pinned one; its SHA-256 is ${found}`,
    );
}

function connected(connection: SMTPConnection, settings: MailSettings): Promise<void> {
  return new Promise((resolve, reject) => {
    connection.connect((error) => (error ? reject(connectFault(error, settings)) : resolve()));
  });
}

function loggedIn(connection: SMTPConnection, user: string, pass: string): Promise<void> {
  return new Promise((resolve, reject) => {
    connection.login({ user, pass }, (error) => (error ? reject(serverFault(error)) : resolve()));
  });
}

function accepted(connection: SMTPConnection, envelope: { from: string; to: string }, message: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    connection.send(envelope, message, (error) => (error ? reject(messageFault(error)) : resolve()));
  });
}

interface SmtpFault extends Error {
  /** The server's own line. */
  response?: string | undefined;
  responseCode?: number | undefined;
}

/** Whoever did not answer said nothing: that is told in our words, everything else in the server's own. */
function connectFault(error: SmtpFault, { host, port }: MailSettings): DeliveryError {
  const code = error.message === 'Connection timeout' ? 'ETIMEDOUT' : NOBODY_ANSWERED.exec(error.message)?.[0];
  if (code === undefined || error.response !== undefined) return serverFault(error);
  return new DeliveryError('server', false, `No mail server answers at ${host}:${port} (${code}).`, error);
}

function serverFault(error: SmtpFault): DeliveryError {
  return error instanceof DeliveryError ? error : new DeliveryError('server', false, error.response ?? error.message, error);
}

/** RFC 5321, 4.2.1: 5yz is for good. A line that was cut is the server's or the network's fault. */
function messageFault(error: SmtpFault): DeliveryError {
  const code = error.responseCode ?? 0;
  if (code < 400) return serverFault(error);
  return new DeliveryError('message', code >= 500, error.response ?? error.message, error);
}

async function compose(mail: OutgoingMail, from: string): Promise<Buffer> {
  const domain = from.slice(from.lastIndexOf('@') + 1);
  const composer = new MailComposer({
    from: { name: 'Bascule', address: from },
    to: { name: '', address: mail.recipient },
    subject: mail.subject,
    text: mail.text,
    date: new Date(mail.atMs),
    messageId: `<${mail.id}@${domain}>`,
    // RFC 3834: nobody's out-of-office note is wanted.
    headers: { 'Auto-Submitted': 'auto-generated' },
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return composer.compile().build();
}

/** `text` as one line without control characters, at most REASON_MAX_CHARACTERS long. */
function plainLine(text: string): string {
  return text
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim()
    .slice(0, REASON_MAX_CHARACTERS);
}
