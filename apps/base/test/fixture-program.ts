/** A site program for tests of base: answers HTTP behind the preamble and takes links, as protocol/base-site.ts says. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { dirname } from 'node:path';
import { bootClockMs } from '@bascule/core/boot-clock.ts';
import { sitePaths } from '@bascule/core/home.ts';
import { siteStart, type FromSite, type ToSite } from '@bascule/protocol/base-site.ts';
import { saidNoFile } from './said-no-file.ts';

const start = siteStart.parse(JSON.parse(process.env['BASCULE_SITE'] ?? ''));
let generation = start.generation;
const preambles = new WeakMap<net.Socket, { address: string; port: number }>();

/** Serves as program `name` on `socketPath`. */
export function serve(name: 'main' | 'relay'): void {
  const paths = sitePaths(start.siteDir, start.runDir);
  const socketPath = name === 'main' ? paths.mainSocket : paths.relaySocket;
  const web = http.createServer({ keepAliveTimeout: 70_000 }, (request, response) => answer(name, request, response));
  web.on('upgrade', (request, socket, head) => {
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Name: ${name}\r\nX-Headers: ${JSON.stringify(request.headers)}\r\n\r\n`,
    );
    if (head.length > 0) socket.write(head);
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  const server = net.createServer((socket) => readPreamble(socket, () => web.emit('connection', socket)));
  mkdirSync(dirname(socketPath), { recursive: true });
  rmSync(socketPath, { force: true });
  const listen = (): void => {
    server.listen(socketPath, () =>
      tell({ kind: 'ready', ...(name === 'main' && generation === 1 && { firstPassword: 'first-of-login' }) }),
    );
  };
  if (start.mode === 'prepare') tell({ kind: 'prepared', schema: 1, pending: [], detail: {} });
  else listen();
  process.on('message', (message: ToSite) => {
    if (message.kind !== 'activate') return;
    generation = message.generation;
    listen();
  });
  process.on('message', (message: ToSite, socket: net.Socket | undefined) => hear(name, message, socket));
  process.on('disconnect', () => process.exit(0));
}

function readPreamble(socket: net.Socket, next: () => void): void {
  let text = Buffer.alloc(0);
  socket.on('error', () => socket.destroy());
  const read = (piece: Buffer): void => {
    text = Buffer.concat([text, piece]);
    const end = text.indexOf('\n');
    if (end === -1) return;
    socket.off('data', read);
    socket.pause();
    preambles.set(socket, JSON.parse(text.toString('latin1', 'BASCULE/1 '.length, end)));
    if (end + 1 < text.length) socket.unshift(text.subarray(end + 1));
    next();
    socket.resume();
  };
  socket.on('data', read);
}

function answer(name: string, request: http.IncomingMessage, response: http.ServerResponse): void {
  if (request.url === '/events') {
    process.once('SIGUSR2', () => response.write('data: ticked\n\n'));
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.flushHeaders();
    return;
  }
  if (request.url === '/never') return;
  // Answered when the test says so.
  if (request.url === '/later') return void process.once('SIGUSR2', () => response.end('later'));
  if (request.method === 'POST') {
    response.writeHead(200, { 'content-type': 'application/octet-stream' });
    request.pipe(response);
    return;
  }
  const { headers, url, method } = request;
  response.setHeader('strict-transport-security', 'max-age=1');
  response.setHeader('set-cookie', ['a=1', 'b=2']);
  response.end(
    JSON.stringify({
      name,
      pid: process.pid,
      generation,
      url,
      method,
      headers,
      preamble: preambles.get(request.socket),
    }),
  );
}

function hear(name: string, message: ToSite, socket: net.Socket | undefined): void {
  if (message.kind === 'stop') process.exit(0);
  if (message.kind === 'health') tell({ kind: 'health', nonce: message.nonce, ok: true, detail: {} });
  if (message.kind === 'reset-password') {
    const { nonce, user } = message;
    tell(
      user === 'admin'
        ? { kind: 'password-reset', nonce, password: 'new-one' }
        : { kind: 'password-reset', nonce, error: `There is no user '${user}'.` },
    );
  }
  if (message.kind === 'reset-second-factor') {
    const { nonce, user } = message;
    tell({ kind: 'second-factor-reset', nonce, ...(user !== 'admin' && { error: `There is no user '${user}'.` }) });
  }
  if (name === 'main') hearOfPair(message);
  if (message.kind === 'local-client-token') tell({ kind: 'local-client-token', nonce: message.nonce, token: 'a-token' });
  if (message.kind !== 'link' || socket === undefined) return;
  const { head, address, port } = message;
  socket.on('error', () => socket.destroy());
  socket.write(`${JSON.stringify({ name, head: Buffer.from(head).toString('hex'), address, port })}\n`);
  socket.pipe(socket);
}

let saying: NodeJS.Timeout | undefined;
/** Says `message` now, and a state of the pair again and again, as main does: with when it was said. After SIGUSR1 it serves no more. */
function say(message: FromSite): void {
  clearInterval(saying);
  if (message.kind !== 'pair-state') return tell(message);
  const again = (): void => tell({ ...message, ...(message.atBootMs !== undefined && { atBootMs: bootClockMs() }) });
  again();
  saying = setInterval(again, 500);
  process.once('SIGUSR1', () => {
    say({ ...message, serves: false, role: 'backup' });
    writeFileSync(saidNoFile(process.pid), '');
  });
}

/** Of the failover pair: main says the message that a plan's order `sign` carries. */
function hearOfPair(message: ToSite): void {
  if (message.kind === 'pair-do') {
    const { nonce, order } = message;
    if (order.kind === 'sign') say(JSON.parse(order.statement) as FromSite);
    tell({ kind: 'pair-done', nonce, outcome: 'done', result: { plan: message.plan, step: message.step } });
  }
  // The peer is this very base: what it is asked comes back as a question.
  if (message.kind === 'ask-peer') tell({ kind: 'peer-asks', nonce: message.nonce, peer: 'other', question: message.question });
  if (message.kind === 'box-answered') tell({ kind: 'peer-answered', nonce: message.nonce, answer: message.answer });
}

function tell(message: FromSite): void {
  process.send?.(message);
}
