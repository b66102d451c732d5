/** Authorities and certificates for tests, made in process. */
import 'reflect-metadata';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { createLog } from '@bascule/log/log.ts';
import type { MailEvent } from '@bascule/mail/mail-texts.ts';
import type { BoxAnswer, BoxQuestion } from '@bascule/protocol/api/plans.ts';
import type { PlannedChange } from '@bascule/protocol/losses.ts';
import { Store, type Context } from '@bascule/store/store.ts';
import {
  certificateMigrations,
  Certificates,
  HandedCertificate,
  openWebCertificate,
  ServedCertificates,
} from './certificates.ts';

export const DAY_MS = 24 * 60 * 60 * 1000;
export const ADA: Context = { actor: { kind: 'box-administrator', id: null, name: 'ada' }, address: '192.0.2.1' };

export interface Issued {
  /** PEM. */
  cert: string;
  /** PKCS#8 PEM. */
  key: string;
  name: string;
}

/** Issues a certificate; without `by`, it signs itself. `key`: of another one, for another certificate of the same key. */
export async function issue(
  name: string,
  options: {
    by?: Issued;
    names?: string[];
    isAuthority?: boolean;
    fromMs?: number;
    toMs?: number;
    rsaBits?: number;
    hash?: string;
    key?: string;
    serial?: string;
  } = {},
): Promise<Issued> {
  const { by, names = [], isAuthority = false, fromMs = Date.now() - DAY_MS, toMs = Date.now() + 90 * DAY_MS } = options;
  const key = options.key ?? makeKey(options.rsaBits);
  const [own, signer] = [
    await importKeys(key, options.hash),
    by === undefined ? undefined : await importKeys(by.key, options.hash),
  ];
  const common = {
    serialNumber: options.serial ?? `40${Buffer.from(crypto.getRandomValues(new Uint8Array(12))).toString('hex')}`,
    notBefore: new Date(fromMs),
    notAfter: new Date(toMs),
    extensions: [
      new x509.BasicConstraintsExtension(isAuthority, undefined, true),
      ...(names.length > 0
        ? [new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: 'dns' as const, value })))]
        : []),
    ],
  };
  const subject = `CN=${name}`;
  const made = await x509.X509CertificateGenerator.create({
    ...common,
    subject,
    issuer: by === undefined ? subject : `CN=${by.name}`,
    publicKey: own.publicKey,
    signingKey: (signer ?? own).privateKey,
    signingAlgorithm: (signer ?? own).algorithm,
  });
  return { cert: `${made.toString('pem').trim()}\n`, key, name };
}

/** Root, intermediate, and a certificate for `names`. */
export async function issueChain(
  names: string[],
  options: { toMs?: number } = {},
): Promise<{ root: Issued; middle: Issued; leaf: Issued }> {
  const root = await issue('Test Root', { isAuthority: true });
  const middle = await issue('Test Intermediate', { by: root, isAuthority: true });
  return { root, middle, leaf: await issue(names[0] ?? 'leaf', { by: middle, names, ...options }) };
}

function makeKey(rsaBits: number | undefined): string {
  const { privateKey } =
    rsaBits === undefined
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: rsaBits });
  return String(privateKey.export({ type: 'pkcs8', format: 'pem' }));
}

async function importKeys(pem: string, hash = 'SHA-256') {
  const der = x509.PemConverter.decodeFirst(pem);
  const key = createPrivateKey(pem);
  const algorithm =
    key.asymmetricKeyType === 'rsa' ? { name: 'RSASSA-PKCS1-v1_5', hash } : { name: 'ECDSA', namedCurve: 'P-256', hash };
  const privateKey = await crypto.subtle.importKey('pkcs8', der, algorithm, true, ['sign']);
  const { d: _d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, ...open } = key.export({ format: 'jwk' });
  const publicKey = await crypto.subtle.importKey('jwk', open as JsonWebKey, algorithm, true, ['verify']);
  return { privateKey, publicKey, algorithm };
}

/** The certificates of a box with the public host `box.example`, on a store of its own. */
export class CertificateBench implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'bascule-certificates-'));
  readonly told: string[] = [];
  readonly mails: MailEvent[] = [];
  readonly asked: PlannedChange[] = [];
  peer: { name: string; answer(question: BoxQuestion): BoxAnswer } | undefined;
  nowMs = Date.now();
  store!: Store;
  served!: ServedCertificates;
  certificates!: Certificates;

  /** As a start of base does. */
  async open(): Promise<this> {
    const log = createLog('test', 'silent');
    this.store = Store.open({ path: join(this.directory, 'box.db'), migrations: certificateMigrations, appliance: 'test', log });
    const own = await openWebCertificate(join(this.directory, 'tls'), ['box.example', 'localhost']);
    const handed = new HandedCertificate({ directory: join(this.directory, 'tls'), own: () => own });
    const now = () => this.nowMs;
    this.served = new ServedCertificates({ boxDirectory: this.directory, own: () => own, handed: () => handed, log, now });
    this.served.load(this.store);
    this.certificates = new Certificates({
      store: this.store,
      served: this.served,
      publicHost: 'box.example',
      httpPort: 80,
      addresses: () => ['192.0.2.10'],
      host: {
        whoWouldILose: async (change) => {
          this.asked.push(change);
          return { connected: 0, seenLately: 0, lost: 0, trouble: 1, list: [] };
        },
        tellWebKey: (pin) => void this.told.push(pin),
        askPeer: async (question) => this.peer?.answer(question) ?? { ok: false, error: { code: 'NO', message: 'nobody there' } },
        pairState: this.peer && { peer: { name: this.peer.name } },
      },
      mailer: { tell: (event) => void this.mails.push(event) },
      page: 'https://box.example/appliance/security/certificates',
      acmePollIntervalMs: 20,
      log,
      now,
    });
    return this;
  }

  /** Closes the store and opens everything again, as after a crash. */
  async restart(): Promise<void> {
    this.certificates.close();
    this.store.close();
    await this.open();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.certificates.close();
    await this.certificates.acme.idle();
    this.store.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** What an import is asked for with. */
export function filesOf(...texts: (string | Uint8Array)[]): { files: { name: string; content: string }[] } {
  return { files: texts.map((text, at) => ({ name: `file${at}.pem`, content: Buffer.from(text).toString('base64') })) };
}
