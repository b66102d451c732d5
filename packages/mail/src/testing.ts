/** A real mail server for tests: Debian's aiosmtpd, as a private process on free ports (docs/decisions/0091 says why not OpenSMTPD). */
import { execFileSync, spawn } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';

/** Debian's own, which sees Debian's packages. */
const PYTHON = '/usr/bin/python3';
const PROGRAM = resolve(import.meta.dirname, '..', 'testing', 'smtp-server.py');
const ARRIVAL_TIMEOUT_MS = 10_000;

export const SMTP_ACCOUNT = 'bascule';
export const SMTP_PASSWORD = 'a secret of the mail account';

export interface SmtpPorts {
  /** Wants STARTTLS and a login. */
  starttlsPort: number;
  /** TLS from the first byte, and a login. */
  tlsPort: number;
  /** In clear, without a login and without STARTTLS. */
  plainPort: number;
}

export interface TestSmtpServer extends SmtpPorts {
  certificateSha256: string;
  /** What `ada@example.org` and `bob@example.org` got so far, as text, oldest first; there is nobody else. Waits for `count` mails. */
  received(count: number): Promise<string[]>;
  /** How many tried to log in. */
  logins(): number;
  stop(): Promise<void>;
}

const eventLine = z.union([
  z.object({ ready: z.literal(true) }),
  z.object({ login: z.boolean() }),
  z.object({ mail: z.string(), recipients: z.array(z.string()) }),
]);

/** Starts a server; with `ports` on those of an earlier one. */
export async function startSmtpServer(ports?: SmtpPorts): Promise<TestSmtpServer> {
  const directory = mkdtempSync(join(tmpdir(), 'bascule-smtp-'));
  const { certificate, key, sha256 } = makeCertificate(directory);
  const { starttlsPort, tlsPort, plainPort } = ports ?? {
    starttlsPort: await freePort(),
    tlsPort: await freePort(),
    plainPort: await freePort(),
  };
  const child = spawn(
    PYTHON,
    [PROGRAM, certificate, key, SMTP_ACCOUNT, SMTP_PASSWORD, ...[starttlsPort, tlsPort, plainPort].map(String)],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const exited = once(child, 'exit');
  const mails: string[] = [];
  const arrivals = new EventTarget();
  let logins = 0;
  const ready = Promise.withResolvers<void>();
  child.once('exit', () => ready.reject(new Error('the mail server ended; is python3-aiosmtpd installed?')));
  createInterface(child.stdout).on('line', (text) => {
    const event = eventLine.parse(JSON.parse(text));
    if ('ready' in event) ready.resolve();
    else if ('login' in event) logins += 1;
    else mails.push(event.mail);
    arrivals.dispatchEvent(new Event('event'));
  });
  await ready.promise;
  return {
    starttlsPort,
    tlsPort,
    plainPort,
    certificateSha256: sha256,
    logins: () => logins,
    async received(count) {
      const signal = AbortSignal.timeout(ARRIVAL_TIMEOUT_MS);
      while (mails.length < count) await once(arrivals, 'event', { signal });
      return [...mails];
    },
    async stop() {
      child.stdin.end();
      await exited;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function makeCertificate(directory: string): { certificate: string; key: string; sha256: string } {
  const key = join(directory, 'key.pem');
  const certificate = join(directory, 'certificate.pem');
  const kind = [
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=mail.test',
  ];
  execFileSync('openssl', ['req', ...kind, '-keyout', key, '-out', certificate], { stdio: 'ignore' });
  const { raw } = new X509Certificate(readFileSync(certificate));
  return { certificate, key, sha256: createHash('sha256').update(raw).digest('hex') };
}

/** A port of 127.0.0.1 on which nobody listens now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return port;
}
