import { readFileSync, readlinkSync } from 'node:fs';
import net from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import type { Options } from './options.ts';
import { Refusal } from './refusal.ts';

/** A boot that starts again after a crash waits this long for its port. */
export const RESTART_BIND_WAIT_MS = 5_000;
const BIND_INTERVAL_MS = 100;
/** The first descriptor that systemd passes (sd_listen_fds(3)). */
const FIRST_PASSED = 3;
/** What descriptors are called in LISTEN_FDNAMES. */
const HTTPS = 'https';
const HTTP = 'http';

/** A socket that is bound, and that boot never accepts from. */
export interface Bound {
  /** Inherited by base. */
  descriptor: number;
  address: string;
  port: number;
}

export interface Listening extends Bound {
  /** The port for whoever types an address without https, and for ACME; undefined when there is none. */
  http: Bound | undefined;
}

/** The sockets of the front door: systemd's (sd_listen_fds(3)) when there are some for this process, else bound here. They never accept. Throws `Refusal`. */
function bindSockets(options: Options, environment: NodeJS.ProcessEnv): Listening {
  if (environment['LISTEN_PID'] === String(process.pid) && environment['LISTEN_FDS'] !== undefined)
    return passedSockets(options, environment['LISTEN_FDS'], environment['LISTEN_FDNAMES'] ?? '');
  const https = bind(options.listen, options.port, '--port');
  try {
    const http = options.httpPort === undefined ? undefined : bind(options.listen, options.httpPort, '--http-port');
    return { ...https, http };
  } catch (error) {
    // Tried again as a whole.
    heldSockets.splice(0).forEach((socket) => socket.close());
    throw error;
  }
}

/** Of two sockets the names tell which is which; names that are none of ours leave the order: https, http. */
function passedSockets({ listen, port }: Options, count: string, names: string): Listening {
  if (count !== '1' && count !== '2')
    throw new Refusal(`systemd passes ${count} sockets; Bascule takes one (https), or two (https and http).`);
  const called = names.split(':');
  const of = (name: string): number => called.slice(0, Number(count)).indexOf(name);
  const httpIndex = of(HTTP) === -1 ? (of(HTTPS) === 1 ? 0 : 1) : of(HTTP);
  if (count === '1' && httpIndex === 0)
    throw new Refusal(
      'systemd passes the socket for http alone: start bascule.socket too (systemctl enable --now bascule.socket).',
    );
  const httpsIndex = httpIndex === 0 ? 1 : 0;
  const https = { descriptor: FIRST_PASSED + httpsIndex, address: listen, port, ...whereBound(FIRST_PASSED + httpsIndex) };
  if (count === '1') return { ...https, http: undefined };
  const descriptor = FIRST_PASSED + httpIndex;
  return { ...https, http: { descriptor, address: listen, port: 0, ...whereBound(descriptor) } };
}

/** Where a TCP socket of this process is bound, as the kernel says (proc_net(5)): systemd's unit may name another port than our options. */
function whereBound(descriptor: number): { address: string; port: number } | undefined {
  const [, inode] = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${descriptor}`)) ?? [];
  for (const table of ['tcp', 'tcp6']) {
    const found = rowsOf(table).find((fields) => fields[9] === inode);
    const [address = '', port = ''] = found?.[1]?.split(':') ?? [];
    if (port !== '') return { address: addressOf(address), port: Number.parseInt(port, 16) };
  }
  return undefined;
}

function rowsOf(table: string): string[][] {
  try {
    const lines = readFileSync(`/proc/self/net/${table}`, 'latin1').split('\n');
    return lines.slice(1).map((line) => line.trim().split(/\s+/));
  } catch {
    // A kernel without IPv6.
    return [];
  }
}

/** The kernel prints words of 32 bits, each in the order of the machine, which is little-endian where there is a Node 26. */
export function addressOf(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) => [...Buffer.from(word, 'hex')].toReversed());
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, index) =>
    ((bytes[2 * index] ?? 0) * 256 + (bytes[2 * index + 1] ?? 0)).toString(16),
  );
  // As people and URLs write it.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

function bind(address: string, port: number, option: string): Bound {
  try {
    const socket = new net.BoundSocket({ host: address, port });
    heldSockets.push(socket);
    return { descriptor: socket.fd(), address, port: socket.address().port };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const where = `${address} port ${port}`;
    if (code === 'EADDRINUSE') throw new PortTaken(`${where} is taken by another program; choose another with ${option}.`);
    if (code === 'EACCES') throw new Refusal(`${where} may only be used by root; choose a port above 1023 with ${option}.`);
    if (code === 'EADDRNOTAVAIL')
      throw new Refusal(`${address} is not an address of this machine; choose another with --listen.`);
    throw error;
  }
}

/** As `bindSockets`, but a port that is taken is tried for `waitMs` more: after a crash, what the old programs held may take a moment to go. */
export async function bindSocketsSoon(options: Options, environment: NodeJS.ProcessEnv, waitMs: number): Promise<Listening> {
  for (let waitedMs = 0; ; waitedMs += BIND_INTERVAL_MS) {
    try {
      return bindSockets(options, environment);
    } catch (error) {
      if (!(error instanceof PortTaken) || waitedMs >= waitMs) throw error;
      await wait(BIND_INTERVAL_MS);
    }
  }
}

class PortTaken extends Refusal {}

/** A bound socket that is collected as garbage is closed: kept for as long as boot lives. */
const heldSockets: net.BoundSocket[] = [];
