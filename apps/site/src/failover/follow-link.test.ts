/** What a follower makes of what a source sends: nothing before that has shown its right, and no more in memory than is named. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import type { SignedStatement } from '@bascule/protocol/pair-link.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import { encodeEntry } from '@bascule/store/entry-format.ts';
import type { Store } from '@bascule/store/store.ts';
import { copyEntries, openTestStore, testContext } from '@bascule/store/testing.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { acceptWebSocket, dialWebSocket, type LinkSocket } from '@bascule/wire/web-socket.ts';
import { followLink, type LinkEnd } from './follow-link.ts';

const noted = defineAuditEvent('FOLLOW_LINK_NOTED', 'Noted');
const STATEMENT: SignedStatement = { statement: '{}', signature: 'nobody has looked yet' };
const MESSAGE_MAX_BYTES = 1024 * 1024;

interface Scene {
  source: Store;
  follower: Store;
  /** The source's end. */
  link: LinkSocket;
  /** The follower's. */
  socket: LinkSocket;
  ended: Promise<LinkEnd>;
  sendNewest(): void;
}

async function openScene(t: TestContext, following: () => Promise<void>): Promise<Scene> {
  const source = openTestStore([]);
  const follower = openTestStore([], { follower: true });
  copyEntries(source.store, follower.store);
  const server: Server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = Promise.withResolvers<LinkSocket>();
  server.on('upgrade', (request, socket, head) => {
    accepted.resolve(acceptWebSocket(request, socket, head, { maxMessageBytes: MESSAGE_MAX_BYTES }));
  });
  const socket = dialWebSocket({
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    maxMessageBytes: MESSAGE_MAX_BYTES,
  });
  await once(socket, 'open');
  const link = await accepted.promise;
  const ended = followLink(socket, {
    store: follower.store,
    hello: { versions: [1], history: 'h', epoch: 1, seq: 0, hash: '0'.repeat(64), knownMigrations: [], softwareVersion: '1' },
    status: () => ({ freeBytes: null, recordingBytesLeft: 0, fileBytesLeft: 0, timeMs: 0 }),
    following,
    head: () => undefined,
    applied: () => undefined,
    hold: () => undefined,
    speak: () => undefined,
    compared: () => undefined,
    stop: new AbortController().signal,
    log: createLog('test', 'silent'),
  });
  t.after(() => {
    link.terminate();
    socket.terminate();
    server.close();
    source[Symbol.dispose]();
    follower[Symbol.dispose]();
  });
  const sendNewest = () => {
    source.store.transact(testContext, noted({}), () => undefined);
    const { seq } = source.store.head();
    for (const entry of source.store.entriesAfter(seq - 1, MESSAGE_MAX_BYTES)) link.send(encodeEntry(entry));
  };
  return { source: source.store, follower: follower.store, link, socket, ended, sendNewest };
}

/** Everything that was sent has come to the follower. */
async function arrived({ link, socket }: Scene): Promise<void> {
  link.ping();
  await once(socket, 'ping');
  await new Promise((resolve) => setTimeout(resolve, 50));
}

test('a source that never shows its right to be followed changes nothing, also when the link ends', async (t) => {
  const scene = await openScene(t, async () => undefined);
  const before = scene.follower.head();
  scene.sendNewest();
  await arrived(scene);
  assert.deepEqual(scene.follower.head(), before);
  scene.link.close();
  assert.deepEqual(await scene.ended, { kind: 'closed' });
  assert.deepEqual(scene.follower.head(), before);
});

test('what came before is applied when the right is proved, and not at all when it is not', async (t) => {
  const scene = await openScene(t, async () => undefined);
  scene.sendNewest();
  scene.link.send(JSON.stringify({ kind: 'following', from: 0, statement: STATEMENT }));
  await waitUntil('it is applied', () => scene.follower.head().seq === scene.source.head().seq);

  const other = await openScene(t, () => Promise.reject(new Error('no right')));
  const before = other.follower.head();
  other.sendNewest();
  other.link.send(JSON.stringify({ kind: 'following', from: 0, statement: STATEMENT }));
  await assert.rejects(other.ended, { message: 'no right' });
  assert.deepEqual(other.follower.head(), before);
});

test('hashes that wait count as entries do: a source does not fill the memory of a follower that holds them back', async (t) => {
  const scene = await openScene(t, () => Promise.withResolvers<void>().promise);
  const tables = Object.fromEntries(Array.from({ length: 8000 }, (_, index) => [`table_${index}`, 'a'.repeat(64)]));
  const message = JSON.stringify({ kind: 'hashes', seq: 1, tables });
  assert.ok(message.length < MESSAGE_MAX_BYTES);
  scene.link.send(JSON.stringify({ kind: 'following', from: 0, statement: STATEMENT }));
  for (let sent = 0; sent < 40; sent += 1) scene.link.send(message);
  await waitUntil('it reads no more', () => scene.socket.isPaused);
});
