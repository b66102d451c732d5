import { X509Certificate, createPublicKey, sign, type KeyObject } from 'node:crypto';
import type { Log } from '@bascule/log/log.ts';
import {
  CONTROL_MESSAGE_MAX_BYTES,
  LINK_ALPN,
  enrolmentProofText,
  parseInstallerToken,
  toClient,
  type ClientFacts,
  type FromClient,
  type RefusalCode,
  type ToClient,
} from '@bascule/protocol/control-link.ts';
import { fingerprintOf, type ClientHome, type StoredIdentity } from './client-home.ts';
import { chainOf, dial, type DialTarget } from './dial.ts';
import { openWebSocket } from './link-socket.ts';

const ANSWER_LIMIT_MS = 20_000;

/** The appliance said no. `code` says whether trying again makes sense. */
export class RefusedError extends Error {
  readonly code: RefusalCode;
  readonly retryAfterMs: number;
  constructor(code: RefusalCode, message: string, retryAfterMs: number) {
    super(message);
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The chain does not hold what the token pins: another appliance, or somebody in between. */
export class WrongIdentityError extends Error {}

/**
 * Enrols this client (wire 3.3). The first connection sends nothing and only reads the chain; the certificate in it whose SHA-256 the token
 * carries is what the second connection, and every later one, trusts. Only then does the token's secret leave this program.
 */
export async function enrol(options: {
  target: DialTarget;
  token: string;
  home: ClientHome;
  name: string | undefined;
  facts: ClientFacts;
  log: Log;
  signal?: AbortSignal;
}): Promise<StoredIdentity> {
  const token = parseInstallerToken(options.token);
  if (token === undefined) throw new RefusedError('token-invalid', 'The installer token is malformed.', 0);
  const authority = await readAuthority(options.target, token.identitySha256, options.signal);
  const { home, name, facts, target, signal } = options;
  const identity = await enrolVerified({ target, token: options.token.trim(), authority, key: home.key, name, facts, signal });
  home.store(identity);
  options.log.info({ client: identity.client }, 'enrolled');
  return identity;
}

/** The second connection of an enrolment: `authority` (PEM) is what the token pins, and is verified by TLS before anything is sent. */
export async function enrolVerified(options: {
  target: DialTarget;
  token: string;
  authority: string;
  key: KeyObject;
  name: string | undefined;
  facts: ClientFacts;
  signal?: AbortSignal;
}): Promise<StoredIdentity> {
  const { authority, key, token, facts, name } = options;
  const socket = await dial(options.target, { alpn: LINK_ALPN, authority }, options.signal);
  const secret = parseInstallerToken(token)?.secret ?? '';
  const enrolled = await exchange(openWebSocket(socket, '/link', CONTROL_MESSAGE_MAX_BYTES), (challenge) => ({
    kind: 'enrol',
    token,
    publicKey: createPublicKey(key).export({ type: 'spki', format: 'der' }).toString('base64'),
    proof: sign('sha256', Buffer.from(enrolmentProofText(secret, challenge)), key).toString('base64'),
    facts,
    ...(name === undefined ? {} : { name }),
  }));
  const certificate = new X509Certificate(enrolled.certificate);
  if (!certificate.checkPrivateKey(key) || !certificate.checkIssued(new X509Certificate(authority))) {
    throw new WrongIdentityError('The certificate that the appliance issued does not fit this key and this appliance.');
  }
  return { client: enrolled.client, certificate: enrolled.certificate, authority };
}

/** Connects without trusting anyone, and returns the certificate of the chain that the fingerprint pins (PEM). */
export async function readAuthority(target: DialTarget, identitySha256: string, signal?: AbortSignal): Promise<string> {
  const socket = await dial(target, { alpn: LINK_ALPN }, signal);
  socket.on('error', () => socket.destroy());
  const chain = chainOf(socket);
  socket.destroy();
  const pinned = chain.find(({ raw }) => fingerprintOf(raw) === identitySha256);
  if (pinned !== undefined) return pinned.toString();
  throw new WrongIdentityError(
    'The appliance that answers is not the one the installer token was made on, or its site identity was rotated since: make a new installer, check --site, and whether somebody sits in between. The token was not sent.',
  );
}

function exchange(
  webSocket: ReturnType<typeof openWebSocket>,
  enrolment: (challenge: string) => FromClient,
): Promise<Extract<ToClient, { kind: 'enrolled' }>> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => webSocket.terminate(), ANSWER_LIMIT_MS);
    webSocket.on('error', reject);
    webSocket.on('close', () => {
      clearTimeout(timer);
      reject(new Error('The appliance closed the connection before it answered.'));
    });
    webSocket.on('message', (data: Buffer) => {
      const message = parseToClient(data);
      if (message?.kind === 'welcome') {
        webSocket.send(JSON.stringify(enrolment(message.challenge)));
      } else if (message?.kind === 'enrolled') {
        resolve(message);
        webSocket.close();
      } else if (message?.kind === 'refused') {
        reject(new RefusedError(message.code, message.message, message.retryAfterMs));
        webSocket.close();
      }
    });
  });
}

/** Reads a message of the appliance; undefined when it is none that this version knows. */
export function parseToClient(data: Buffer): ToClient | undefined {
  try {
    return toClient.safeParse(JSON.parse(data.toString('utf8'))).data;
  } catch {
    return undefined;
  }
}
