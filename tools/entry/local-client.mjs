/**
 * The Jump Client of this machine. It runs detached from `npm start`, so that only Ctrl-C ends its sessions: when the terminal is closed or
 * anything else is killed, it goes on, and the next `npm start` on the same home finds it again.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ask, startTicksOf } from './control.mjs';
import { Stop } from './say.mjs';

const STOP_WAIT_LIMIT_MS = 15_000;
const ENROL_WAIT_LIMIT_MS = 30_000;
const RESTART_DELAYS_MS = [500, 1000, 2000, 5000, 10_000, 30_000];

export class LocalClient {
  #home;
  #program;
  #url;
  #stopping = false;
  #restarts = 0;

  /** @param {{ home: string, node: string, main: string, url: string }} options `home` is the appliance's data directory */
  constructor({ home, node, main, url }) {
    this.#home = home;
    this.#program = { node, main };
    this.#url = url;
  }

  get #folder() {
    return join(this.#home, 'client');
  }

  get #pidFile() {
    return join(this.#folder, 'process.json');
  }

  /** Starts the client, or finds the one that still runs; enrols it the first time. Resolves when it holds its identity. */
  async start() {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    if (this.#running()) {
      void this.#watch();
      return;
    }
    const enrolled = existsSync(join(this.#folder, 'identity.json'));
    await this.#spawn(enrolled ? undefined : await this.#token());
    for (let waitedMs = 0; !existsSync(join(this.#folder, 'identity.json')); waitedMs += 50) {
      if (waitedMs > ENROL_WAIT_LIMIT_MS || !this.#running())
        throw new Stop(`The local Jump Client did not enrol; ${join(this.#home, 'log', 'local-client.log')} says why.`);
      await delay(50);
    }
    void this.#watch();
  }

  /** Whether shells run in it now: it has child processes. */
  hasSessions() {
    const pid = this.#running();
    if (!pid) return false;
    try {
      return readdirSync(`/proc/${pid}/task`).some(
        (task) => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim() !== '',
      );
    } catch {
      return false;
    }
  }

  /** Stops it and its sessions; waits until it is gone. */
  async stop() {
    this.#stopping = true;
    const pid = this.#running();
    if (!pid) return;
    process.kill(pid, 'SIGTERM');
    for (let waitedMs = 0; this.#running(); waitedMs += 50) {
      if (waitedMs > STOP_WAIT_LIMIT_MS) process.kill(pid, 'SIGKILL');
      await delay(50);
    }
    rmSync(this.#pidFile, { force: true });
  }

  /** Stops watching it, and leaves it running. */
  leave() {
    this.#stopping = true;
  }

  async #token() {
    const answer = await ask(this.#home, { kind: 'local-client-token' }, 10_000);
    if (!answer.ok) throw new Stop(`The local Jump Client could not be enrolled: ${answer.error}`);
    return answer.token;
  }

  /** @param {string | undefined} token */
  async #spawn(token) {
    const log = openSync(join(this.#home, 'log', 'local-client.log'), 'a', 0o600);
    const child = spawn(this.#program.node, [this.#program.main, '--site', this.#url, '--home', this.#folder], {
      detached: true,
      stdio: ['ignore', log, log],
      cwd: '/',
      env: { ...process.env, ...(token && { BASCULE_TOKEN: token }) },
    });
    closeSync(log);
    child.unref();
    if (!child.pid) throw new Stop('The local Jump Client could not be started.');
    writeFileSync(this.#pidFile, JSON.stringify({ pid: child.pid, startTicks: startTicksOf(child.pid) }), { mode: 0o600 });
  }

  /** @returns {number | undefined} */
  #running() {
    try {
      const { pid, startTicks } = JSON.parse(readFileSync(this.#pidFile, 'utf8'));
      return startTicks !== undefined && startTicksOf(pid) === startTicks ? pid : undefined;
    } catch {
      return undefined;
    }
  }

  /** It may have been started by an earlier `npm start`, so that its end is no event of ours: it is looked for. */
  async #watch() {
    while (!this.#stopping) {
      await delay(1000, undefined, { ref: false });
      if (this.#stopping || this.#running()) continue;
      await delay(RESTART_DELAYS_MS[Math.min(this.#restarts++, RESTART_DELAYS_MS.length - 1)], undefined, { ref: false });
      if (!this.#stopping && !this.#running()) await this.#spawn(undefined);
    }
  }
}
