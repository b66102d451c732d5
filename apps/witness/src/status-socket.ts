/** `witness.sock` in the state folder: answers `status`, and shows that a witness runs here. */
import { rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { AppError } from '@bascule/errors/app-error.ts';
import type { SiteStatus } from './witness.ts';

const ANSWER_LIMIT_MS = 5_000;
const ANSWER_MAX_CHARACTERS = 1024 * 1024;

const pathOf = (state: string) => join(state, 'witness.sock');

/** Listens. Throws `WITNESS_RUNS`. */
export async function openStatusSocket(state: string, status: () => SiteStatus[]): Promise<Server> {
  if ((await askStatus(state)) !== undefined)
    throw new AppError('conflict', 'WITNESS_RUNS', `A witness runs with ${state} already.`);
  rmSync(pathOf(state), { force: true });
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.end(JSON.stringify(status()));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(pathOf(state), resolve);
  });
  return server;
}

/** What the running witness says; undefined when none runs. */
export function askStatus(state: string): Promise<SiteStatus[] | undefined> {
  return new Promise((resolve) => {
    const socket = connect(pathOf(state));
    let text = '';
    socket.setTimeout(ANSWER_LIMIT_MS, () => socket.destroy());
    socket.setEncoding('utf8');
    socket.on('error', () => resolve(undefined));
    socket.on('data', (piece: string) => {
      text += piece;
      if (text.length > ANSWER_MAX_CHARACTERS) socket.destroy();
    });
    socket.on('end', () => resolve(JSON.parse(text) as SiteStatus[]));
    socket.on('close', () => resolve(undefined));
  });
}
