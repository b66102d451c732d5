/** Asks a running appliance over its control socket: one JSON line there, one back (packages/protocol/src/appliance-control.ts). */
import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';

/** The state of updates holds the notes of every release in four languages. */
const ANSWER_MAX_BYTES = 16 * 1024 * 1024;

/**
 * @param {string} home  @param {Record<string, unknown>} request  @param {number} timeoutMs
 * @returns {Promise<any>} the answer; rejects when nobody listens or answers
 */
export function ask(home, request, timeoutMs) {
  return new Promise((resolve, reject) => {
    const socket = connect(join(home, 'run', 'control', 'control.sock'));
    const pieces = /** @type {string[]} */ ([]);
    let length = 0;
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error('no answer in time')));
    socket.setEncoding('utf8');
    socket.on('error', reject);
    socket.on('connect', () => socket.write(`${JSON.stringify(request)}\n`));
    socket.on('data', (chunk) => {
      pieces.push(chunk);
      length += chunk.length;
      if (length > ANSWER_MAX_BYTES) socket.destroy(new Error('the answer is too long'));
      if (!chunk.includes('\n')) return;
      socket.end();
      resolve(JSON.parse(pieces.join('')));
    });
    socket.on('close', () => reject(new Error('the appliance closed the connection')));
  });
}

/**
 * Who runs on this home: what boot wrote, if that very process still lives.
 * @param {string} home  @returns {{ pid: number, address: string } | undefined}
 */
export function running(home) {
  let state;
  try {
    state = JSON.parse(readFileSync(join(home, 'run', 'boot.json'), 'utf8'));
  } catch {
    return undefined;
  }
  return startTicksOf(state.pid) === state.startTicks ? state : undefined;
}

/** Field 22 of /proc/PID/stat (proc(5)): tells a process from a later one with the same number. @param {number} pid */
export function startTicksOf(pid) {
  if (!Number.isInteger(pid) || !existsSync(`/proc/${pid}/stat`)) return undefined;
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' ? undefined : fields[19];
}
