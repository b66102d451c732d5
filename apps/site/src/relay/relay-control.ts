import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { Log } from '@bascule/log/log.ts';
import { RELAY_LINE_MAX_BYTES, toRelay, type FromRelay, type ToRelay } from '@bascule/protocol/relay-control.ts';
import { readJsonLines, writeJsonLine } from '@bascule/wire/json-lines.ts';

/** Messages that main has not read yet, at most; a main that reads nothing is cut off, and asks again when it is back. */
const WAITING_MAX_BYTES = 32 * 1024 * 1024;

export interface RelayControlOptions {
  path: string;
  log: Log;
  /** A main is there (with the way to tell it something), or none. */
  onMain(emit: ((message: FromRelay) => void) | undefined): void;
  onMessage(message: ToRelay): void;
}

/** Listens for main (relay-control.ts in protocol). One main at a time: a newer one takes the place of the older, which is a process on its way out. */
export async function openRelayControl(options: RelayControlOptions): Promise<Server> {
  let current: Socket | undefined;
  const server = createServer((socket) => {
    current?.destroy();
    current = socket;
    let configured = false;
    socket.on('error', (error) => options.log.warn({ error: error.message }, 'relay-control-error'));
    socket.on('end', () => socket.destroy());
    socket.on('close', () => {
      if (current !== socket) return;
      current = undefined;
      options.onMain(undefined);
    });
    options.onMain((message) => {
      if (socket.destroyed) return;
      if (socket.writableLength > WAITING_MAX_BYTES) socket.destroy(new Error('main does not read'));
      else writeJsonLine(socket, message);
    });
    readJsonLines(socket, RELAY_LINE_MAX_BYTES, (value) => {
      const message = toRelay.safeParse(value);
      if (!message.success) return void socket.destroy(new Error(`message: ${message.error.issues[0]?.path.join('.')} is wrong`));
      configured ||= message.data.kind === 'configure';
      if (!configured) return void socket.destroy(new Error('message: configure must come first'));
      options.onMessage(message.data);
    });
  });
  rmSync(options.path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.path, () => resolve());
  });
  chmodSync(options.path, 0o600);
  return server;
}
