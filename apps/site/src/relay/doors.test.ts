import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { WebSocket } from 'ws';
import { connectWithPreamble } from '@bascule/wire/preamble.ts';
import { SiteIdentity } from '../jump/jump.ts';
import { AgentDoor } from './agent-door.ts';
import { FrameLink, HELLO_LIMIT_MS } from './frame-link.ts';
import { CLIENT, pair, until } from './testing.ts';
import { openViewerDoor } from './viewer-door.ts';

/** `open`, or the HTTP status that refused the upgrade. */
async function outcome(socket: WebSocket): Promise<string> {
  return new Promise((resolve) => {
    socket.once('open', () => {
      resolve('open');
      socket.terminate();
    });
    socket.once('unexpected-response', (_request, response) => resolve(String(response.statusCode)));
    socket.once('error', (error) => resolve(error.message));
  });
}

test('viewer links: only `/stream`, only from pages of the host that was asked for', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'bascule-door-'));
  const path = join(directory, 'relay.sock');
  const addresses: string[] = [];
  const server = await openViewerDoor(path, (_socket, address) => addresses.push(address));
  const dial = (url: string, origin?: string) =>
    outcome(
      new WebSocket(`ws://${url}`, {
        createConnection: () => connectWithPreamble(path, { address: '192.0.2.9', port: 1 }),
        headers: origin === undefined ? {} : { origin },
      }),
    );
  try {
    assert.equal(await dial('pra.example:8443/stream', 'https://pra.example:8443'), 'open');
    assert.equal(await dial('pra.example:443/stream', 'https://pra.example'), 'open');
    assert.equal(await dial('pra.example:8443/stream', 'https://evil.example'), '403');
    assert.equal(await dial('pra.example:8443/stream', 'https://pra.example'), '403');
    assert.equal(await dial('pra.example:8443/stream', 'null'), '403');
    assert.equal(await dial('pra.example:8443/stream'), '403');
    assert.equal(await dial('pra.example:8443/stream?ticket=x', 'https://pra.example:8443'), '404');
    assert.deepEqual(addresses, ['192.0.2.9', '192.0.2.9']);
  } finally {
    server.close();
    rmSync(directory, { recursive: true });
  }
});

test('data links: only with a client certificate of the site identity, over TLS 1.3, at `/data` (wire 4.1)', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'bascule-door-'));
  const identity = await SiteIdentity.open({ keysDir: join(directory, 'ours') });
  const stranger = await SiteIdentity.open({ keysDir: join(directory, 'theirs') });
  const clients: string[] = [];
  const door = new AgentDoor((_socket, client) => clients.push(client));
  // As base does: something of the connection was read already.
  const server = createServer((socket) =>
    socket.once('data', (head: Buffer) => {
      socket.pause();
      door.take(socket, head);
    }),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = (server.address() as AddressInfo).port;
  const tls = await identity.issueLinkTls();
  const dial = (options: ConnectionOptions, path = '/data') => {
    const createConnection = () =>
      connectTls({
        host: '127.0.0.1',
        port,
        servername: 'link.bascule.internal',
        ca: tls.authority,
        ALPNProtocols: ['bascule-data/1'],
        ...options,
      });
    return outcome(new WebSocket(`wss://link.bascule.internal${path}`, { createConnection }));
  };
  const good = await credentials(identity, CLIENT);
  try {
    assert.notEqual(await dial(good), 'open', 'before it has a certificate the door is shut');
    door.configure(tls);
    assert.equal(await dial(good), 'open');
    door.configure(await identity.issueLinkTls());
    assert.equal(await dial(good), 'open');
    assert.equal(await dial(good, '/link'), '404');
    assert.notEqual(await dial({}), 'open');
    assert.notEqual(await dial(await credentials(stranger, CLIENT)), 'open');
    assert.equal(await dial(await credentials(identity, 'root')), '404');
    assert.notEqual(await dial({ ...good, maxVersion: 'TLSv1.2' }), 'open');
    assert.deepEqual(clients, [CLIENT, CLIENT]);
  } finally {
    server.close();
    rmSync(directory, { recursive: true });
  }
});

test('the door of a test of the standby answers the ALPN of such tests, and no other (wire 4.16)', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'bascule-door-'));
  const identity = await SiteIdentity.open({ keysDir: directory });
  const tls = await identity.issueLinkTls();
  const alpn = 'bascule-rehearsal-data/1';
  const door = new AgentDoor(() => {}, { alpn });
  door.configure(tls);
  const server = createServer({ pauseOnConnect: true }, (socket) => door.take(socket, new Uint8Array()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const good = await credentials(identity, CLIENT);
  const dial = (offered: string[]) => {
    const options = { host: '127.0.0.1', port, servername: 'link.bascule.internal', ca: tls.authority, ...good };
    const createConnection = () => connectTls({ ...options, ALPNProtocols: offered });
    return outcome(new WebSocket('wss://link.bascule.internal/data', { createConnection }));
  };
  try {
    assert.equal(await dial([alpn]), 'open');
    assert.match(await dial(['bascule-data/1']), /no application protocol/);
    assert.equal(await dial([]), '404');
  } finally {
    server.close();
    rmSync(directory, { recursive: true });
  }
});

test('a data link resumes the TLS session that it had with the relay before, and no longer than its certificate is valid', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'bascule-door-'));
  const identity = await SiteIdentity.open({ keysDir: directory });
  const good = await credentials(identity, CLIENT);
  const tls = await identity.issueLinkTls();
  const ticketKeys = randomBytes(48).toString('base64');
  let door = new AgentDoor(() => {});
  const server = createServer({ pauseOnConnect: true }, (socket) => door.take(socket, new Uint8Array()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  let session: Buffer | undefined;
  const dial = async (): Promise<[string, boolean]> => {
    const options = { host: '127.0.0.1', port, servername: 'link.bascule.internal', ca: tls.authority, ...good };
    const socket = connectTls({ ...options, ALPNProtocols: ['bascule-data/1'], ...(session && { session }) });
    let isReused = false;
    socket.on('secureConnect', () => (isReused = socket.isSessionReused()));
    socket.on('session', (fresh: Buffer) => (session = fresh));
    const said = await outcome(new WebSocket('wss://link.bascule.internal/data', { createConnection: () => socket }));
    return [said, isReused];
  };
  const restart = async (keys: string): Promise<void> => {
    door = new AgentDoor(() => {});
    // The certificate of links is another one after each start.
    door.configure({ ...(await identity.issueLinkTls()), ticketKeys: keys });
  };
  try {
    await restart(ticketKeys);
    assert.deepEqual(await dial(), ['open', false]);
    await restart(ticketKeys);
    assert.deepEqual(await dial(), ['open', true]);
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 100 * 365 * 24 * 60 * 60_000 });
    assert.deepEqual(await dial(), ['404', true]);
    t.mock.timers.reset();
    await restart(randomBytes(48).toString('base64'));
    assert.deepEqual(await dial(), ['open', false]);
  } finally {
    server.close();
    rmSync(directory, { recursive: true });
  }
});

const HALF_A_REQUEST = 'GET /data HTTP/1.1\r\nHost: x';

test(
  'a certified client that never asks for its link is dropped, and counts among the connections',
  { timeout: 20_000 },
  async () => {
    const directory = mkdtempSync(join(tmpdir(), 'bascule-door-'));
    const identity = await SiteIdentity.open({ keysDir: directory });
    const door = new AgentDoor(() => {}, { connectionsMax: 2, requestLimitMs: 600 });
    const tls = await identity.issueLinkTls();
    door.configure(tls);
    const server = createServer({ pauseOnConnect: true }, (socket) => door.take(socket, new Uint8Array()));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const good = await credentials(identity, CLIENT);
    const dial = () => {
      const options = { host: '127.0.0.1', port, servername: 'link.bascule.internal', ca: tls.authority, ...good };
      const socket = connectTls({ ...options, ALPNProtocols: ['bascule-data/1'] });
      socket.on('error', () => socket.destroy());
      socket.resume();
      return socket;
    };
    try {
      const idle = [dial(), dial()];
      await Promise.all(idle.map((socket) => once(socket, 'secureConnect')));
      idle[1]!.write(HALF_A_REQUEST);
      let opened = false;
      const surplus = dial().on('secureConnect', () => (opened = true));
      await new Promise((resolve) => surplus.once('close', resolve));
      assert.equal(opened, false, 'a third one is above the limit');
      await until(() => idle.every((socket) => socket.destroyed), 'those that never asked to be dropped', 8000);
      await once(dial(), 'secureConnect');
    } finally {
      server.close();
      rmSync(directory, { recursive: true });
    }
  },
);

test('a browser connection that never asks for its link is dropped', { timeout: 20_000 }, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'bascule-door-'));
  const path = join(directory, 'relay.sock');
  const server = await openViewerDoor(path, () => {}, 400);
  try {
    const idle = ['', HALF_A_REQUEST].map((words) => {
      const socket = connectWithPreamble(path, { address: '192.0.2.9', port: 1 });
      socket.on('error', () => socket.destroy());
      socket.write(words);
      return socket.resume();
    });
    await until(() => idle.every((socket) => socket.destroyed), 'both to be dropped', 8000);
  } finally {
    server.close();
    rmSync(directory, { recursive: true });
  }
});

async function credentials(identity: SiteIdentity, name: string): Promise<{ cert: string; key: string }> {
  const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const spki = new Uint8Array(await crypto.subtle.exportKey('spki', pair.publicKey));
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', pair.privateKey)).toString('base64');
  return {
    cert: await identity.issueClientCertificate(name, spki),
    key: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`,
  };
}

test('a link that says no HELLO is closed after 10 s (wire 4.10); a silent one is pinged and dropped', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { server, accepted, client } = await pair();
  const closed: number[] = [];
  const onClosed = (code: number): void => void closed.push(code);
  new FrameLink(accepted, { hello: () => {}, frame: () => {}, closed: onClosed });
  t.mock.timers.tick(HELLO_LIMIT_MS - 1);
  assert.deepEqual(closed, []);
  t.mock.timers.tick(1);
  assert.deepEqual(closed, [4005]);
  t.mock.timers.reset();
  client.terminate();

  const second = await pair();
  let pings = 0;
  second.client.on('ping', () => pings++);
  const link = new FrameLink(second.accepted, { hello: () => {}, frame: () => {}, closed: onClosed });
  link.check(Date.now() + 16_000);
  await until(() => pings === 1, 'a ping');
  link.check(Date.now() + 46_000);
  await until(() => closed.length === 2, 'the silent link to be dropped');
  server.close();
  second.server.close();
});
