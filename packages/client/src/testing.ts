import { createPublicKey, sign } from 'node:crypto';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createLog } from '@bascule/log/log.ts';
import {
  CONTROL_MESSAGE_MAX_BYTES,
  LINK_ALPN,
  enrolmentProofText,
  parseInstallerToken,
  type ClientFacts,
  type ToClient,
} from '@bascule/protocol/control-link.ts';
import { memoryDirectory } from '@bascule/testkit/memory-directory.ts';
import { ClientHome, type StoredIdentity } from './client-home.ts';
import { dial, type DialTarget, type DialTls } from './dial.ts';
import { enrol, parseToClient } from './enrol.ts';
import { openWebSocket, type LinkSocket } from './link-socket.ts';

export const FACTS: ClientFacts = {
  hostName: 'web-1',
  os: 'Debian',
  arch: 'x64',
  addresses: ['192.0.2.7'],
  user: 'root',
  version: '1',
};
process.setMaxListeners(0);
export const silent = createLog('test', 'silent');

/** A directory of the test's own, removed when its process ends. */
export function newHomeDirectory(): string {
  const directory = memoryDirectory('bascule-client-');
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A client that was enrolled for real, with its home. */
export async function enrolledClient(
  target: DialTarget,
  token: string,
  facts: Partial<ClientFacts> = {},
): Promise<{ home: ClientHome; identity: StoredIdentity }> {
  const home = await ClientHome.open(newHomeDirectory());
  const identity = await enrol({ target, token, home, name: undefined, facts: { ...FACTS, ...facts }, log: silent });
  return { home, identity };
}

/** A control link spoken by hand: everything sent is as the test says, everything received is kept. */
export class ScriptedLink {
  readonly webSocket: LinkSocket;
  readonly received: ToClient[] = [];
  readonly closed: Promise<number>;
  #waiting: (() => void)[] = [];

  constructor(webSocket: LinkSocket) {
    this.webSocket = webSocket;
    webSocket.on('error', () => undefined);
    this.closed = new Promise((resolve) => webSocket.on('close', resolve));
    webSocket.on('message', (data: Buffer) => {
      this.received.push(parseToClient(data)!);
      for (const wake of this.#waiting.splice(0)) wake();
    });
    webSocket.on('close', () => {
      for (const wake of this.#waiting.splice(0)) wake();
    });
  }

  static async open(target: DialTarget, tls: Omit<DialTls, 'alpn'> & { alpn?: string }): Promise<ScriptedLink> {
    const link = new ScriptedLink(
      openWebSocket(await dial(target, { alpn: LINK_ALPN, ...tls }), '/link', CONTROL_MESSAGE_MAX_BYTES),
    );
    await once(link.webSocket, 'open');
    return link;
  }

  /** With the certificate, after `hello` was sent. */
  static async hello(
    target: DialTarget,
    client: { home: ClientHome; identity: StoredIdentity },
    instance: string,
    more: object = {},
  ): Promise<ScriptedLink> {
    const { authority, certificate } = client.identity;
    const link = await ScriptedLink.open(target, { authority, certificate, key: client.home.keyPem });
    link.send({ kind: 'hello', versions: [1], instance, facts: FACTS, sessions: [], ...more });
    return link;
  }

  send(message: unknown): void {
    this.webSocket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  /** The first message of `kind` that came or comes; throws when the link ends before. */
  async next<K extends ToClient['kind']>(kind: K): Promise<Extract<ToClient, { kind: K }>> {
    for (;;) {
      const index = this.received.findIndex((message) => message.kind === kind);
      if (index >= 0) return this.received.splice(index, 1)[0] as Extract<ToClient, { kind: K }>;
      if (this.webSocket.readyState === this.webSocket.CLOSED)
        throw new Error(`the link ended before ${kind}; received: ${JSON.stringify(this.received)}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** An enrolment message for `challenge`. */
  static enrolment(home: ClientHome, token: string, challenge: string, more: object = {}) {
    const secret = parseInstallerToken(token)?.secret ?? '';
    return {
      kind: 'enrol',
      token,
      publicKey: createPublicKey(home.keyPem).export({ type: 'spki', format: 'der' }).toString('base64'),
      proof: sign('sha256', Buffer.from(enrolmentProofText(secret, challenge)), home.key).toString('base64'),
      facts: FACTS,
      ...more,
    };
  }
}
