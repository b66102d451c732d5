import { parentPort, workerData } from 'node:worker_threads';
import { logHead } from './change-log.ts';
import { Connection } from './connection.ts';
import { contentHash } from './content-hash.ts';
import { HashesSignal, type Hashes } from './hashes.ts';
import { replicatedTables } from './schema.ts';

const { path, signal } = workerData as { path: string; signal: Int32Array };
const connection = new Connection(path, undefined, 'read');
try {
  parentPort?.postMessage('ready');
  Atomics.wait(signal, 0, HashesSignal.waiting);
  connection.exec('BEGIN');
  const head = logHead(connection);
  Atomics.store(signal, 0, HashesSignal.begun);
  Atomics.notify(signal, 0);
  const tables = Object.fromEntries(replicatedTables(connection).map((table) => [table, contentHash(connection, table)]));
  parentPort?.postMessage({ seq: head.seq, hash: Buffer.from(head.hash).toString('hex'), tables } satisfies Hashes);
} finally {
  connection.close();
}
