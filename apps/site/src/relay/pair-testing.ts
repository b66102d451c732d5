/** For tests: two relays of a pair, each with its own key, joined over real TLS on loopback; the way between them can be cut, slowed or stopped. */
import 'reflect-metadata';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import * as x509 from '@peculiar/x509';
import type { PairOrder } from './pair-data.ts';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

export interface TestPairKey {
  key: string;
  certificate: string;
  sha256: string;
}

/** A pair key with its self-signed certificate. */
export async function newPairKey(name: string): Promise<TestPairKey> {
  const keys = (await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])) as CryptoKeyPair;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys,
    signingAlgorithm: ALGORITHM,
    notBefore: new Date(0),
    notAfter: new Date('2100-01-01'),
  });
  const spki = new Uint8Array(await crypto.subtle.exportKey('spki', keys.publicKey));
  return {
    key: x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY'),
    certificate: certificate.toString('pem'),
    sha256: createHash('sha256').update(spki).digest('hex'),
  };
}

export interface TestWay {
  port: number;
  /** Cuts what is connected; with `false` nothing new is let through until `true`. */
  setOpen(isOpen: boolean): void;
  close(): void;
}

/** A port whose connections are given to `take` unopened, as base does. */
export async function openWay(take: (socket: Socket, head: Uint8Array) => void): Promise<TestWay> {
  let isOpen = true;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    socket.on('error', () => {});
    if (!isOpen) return void socket.destroy();
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.once('data', (head: Buffer) => {
      socket.pause();
      take(socket, head);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = () => sockets.forEach((socket) => socket.destroy());
  return {
    port: (server.address() as AddressInfo).port,
    setOpen: (open) => {
      isOpen = open;
      if (!open) cut();
    },
    close: () => {
      cut();
      server.close();
    },
  };
}

/** What main tells the relay that is copied from, and the one that copies. */
export function pairOrders(
  source: TestPairKey,
  follower: TestPairKey,
  way: Pick<TestWay, 'port'>,
): { source: PairOrder; follower: PairOrder } {
  return {
    source: { kind: 'pair', role: 'source', key: source.key, certificate: source.certificate, peerKeySha256: follower.sha256 },
    follower: {
      kind: 'pair',
      role: 'follower',
      key: follower.key,
      certificate: follower.certificate,
      peerKeySha256: source.sha256,
      peer: { host: '127.0.0.1', port: way.port },
    },
  };
}
