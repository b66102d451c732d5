/**
 * `npm start`: installs what is missing, stages the software, runs boot as systemd would, and keeps this machine's Jump Client.
 * Ctrl-C stops everything; nothing else ends the local client's sessions.
 */
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isRoot } from './checkout.mjs';
import { ask, running } from './control.mjs';
import { SERVICE_USER, chooseHome, prepareHome } from './home.mjs';
import { ensureInstalled } from './install.mjs';
import { LocalClient } from './local-client.mjs';
import { USAGE, parseOptions } from './options.mjs';
import { Stop, runMain, say } from './say.mjs';
import { stage } from './stage.mjs';

const READY_WAIT_LIMIT_MS = 60_000;
/** boot is started again after it was killed, with these pauses; a boot that lived a minute starts the row anew. */
const RESTART_DELAYS_MS = [100, 500, 1000, 2000, 5000, 10_000, 30_000];
const LONG_LIFE_MS = 60_000;
const STOP_WAIT_LIMIT_MS = 30_000;
/** boot's exit codes that another try does not change (docs/spec/boot.md): cannot, wrong use, runs already. */
const FINAL_EXIT_CODES = [1, 2, 3];

/** @param {string} home  @param {boolean} homeGiven */
function refuseSecondStart(home, homeGiven) {
  const other = running(home);
  if (other)
    throw new Stop(
      `already running, PID ${other.pid}, ${urlOf(other)}. To stop it: Ctrl-C there, or  npm run appliance -- stop${homeGiven ? ` --home ${home}` : ''}`,
      3,
    );
}

/** Asked before anything is installed or written, so that a wrong port changes nothing. @param {{listen: string, port: number}} options */
function checkPort({ listen, port }) {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error) => {
      const sentences = {
        EADDRINUSE: `Port ${port} on ${listen} is taken by another program: choose another with  npm start -- --port N`,
        EACCES: `Port ${port} is reserved for root: choose one above 1023 with  npm start -- --port N`,
        EADDRNOTAVAIL: `${listen} is not an address of this machine: give one of its own with --listen.`,
      };
      reject(new Stop(sentences[error.code] ?? `Port ${port} on ${listen} cannot be opened (${error.code}).`, 69));
    });
    probe.listen({ host: listen, port, exclusive: true }, () => probe.close(() => resolve(undefined)));
  });
}

/** @param {{ name: string, port: number }} where */
function urlOf({ name, port }) {
  return `https://${name}${port === 443 ? '' : `:${port}`}`;
}

class Starter {
  #options;
  #software;
  #client;
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #boot;
  #stopping = false;
  #failedStarts = 0;

  constructor(options, software) {
    this.#options = options;
    this.#software = software;
    const loopback = ['0.0.0.0', '127.0.0.1', '::', '::1'].includes(options.listen);
    this.#client = options.localClient
      ? new LocalClient({
          home: options.home,
          node: join(software.boot, 'bin', 'node'),
          main: join(software.boot, 'apps', 'jump-client', 'src', 'main.ts'),
          url: `https://${loopback ? (options.listen.includes(':') ? '[::1]' : '127.0.0.1') : options.listen}:${options.port}`,
        })
      : undefined;
  }

  /** @returns {Promise<number>} the exit code */
  run() {
    return new Promise((resolve, reject) => {
      const stop = (/** @type {NodeJS.Signals} */ signal) => {
        this.#stop(signal).then(resolve, reject);
      };
      for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.on(signal, () => stop(signal));
      this.#keepBoot().then((exitCode) => exitCode !== undefined && resolve(exitCode), reject);
      this.#announceWhenReady().catch(async (error) => {
        if (this.#stopping) return;
        await this.#stop('SIGTERM');
        reject(error);
      });
    });
  }

  /** Runs boot, and again when it was killed. @returns {Promise<number | undefined>} an exit code when it will not run */
  async #keepBoot() {
    while (!this.#stopping) {
      const startedAt = Date.now();
      const exitCode = await this.#runBoot();
      if (this.#stopping) return undefined;
      if (exitCode === 0 || FINAL_EXIT_CODES.includes(exitCode ?? -1)) {
        this.#stopping = true;
        if (exitCode === 0 && this.#client?.hasSessions()) this.#client.leave();
        else await this.#client?.stop();
        return exitCode ?? 1;
      }
      if (Date.now() - startedAt > LONG_LIFE_MS) this.#failedStarts = 0;
      say('boot was killed; starting it again. Sessions go on.');
      await delay(RESTART_DELAYS_MS[Math.min(this.#failedStarts++, RESTART_DELAYS_MS.length - 1)]);
    }
    return undefined;
  }

  /** In a session of its own (`detached`), so that Ctrl-C arrives here alone and things stop in order. */
  #runBoot() {
    const { home, listen, port, name, appliance } = this.#options;
    const { boot, software } = this.#software;
    const args = [
      join(boot, 'apps', 'boot', 'src', 'main.ts'),
      `--home=${home}`,
      `--listen=${listen}`,
      `--port=${port}`,
      `--name=${name}`,
      `--software=${software}`,
      ...(isRoot ? ['--user', SERVICE_USER] : []),
    ];
    return new Promise((resolve, reject) => {
      this.#boot = spawn(join(boot, 'bin', 'node'), args, {
        stdio: ['ignore', 'inherit', 'inherit'],
        detached: true,
        cwd: '/',
        env: { ...process.env, ...(appliance !== undefined && { BASCULE_APPLIANCE: appliance }) },
      });
      this.#boot.once('error', (error) => reject(new Stop(`boot cannot be started: ${error.message}`)));
      this.#boot.once('exit', (code) => resolve(code));
    });
  }

  async #announceWhenReady() {
    const answer = await this.#waitReady();
    if (!answer.ok) throw new Stop(`The appliance did not start: ${answer.error}`);
    const url = urlOf(this.#options);
    const passwords = answer.firstPasswords ?? {};
    const password = (/** @type {string | undefined} */ text, /** @type {string} */ which) =>
      text
        ? `user admin, one-time password ${text}`
        : `user admin (a new one-time password: npm run appliance -- reset-password ${which})`;
    say(`\nBascule ${this.#software.version} runs. Stop it with Ctrl-C.\n`);
    say(`  Site       ${url}/login      ${password(passwords.login, 'login')}`);
    say(`  Appliance  ${url}/appliance  ${password(passwords.appliance, 'appliance')}\n`);
    if (!process.env['DISPLAY'] && !process.env['WAYLAND_DISPLAY'] && this.#options.listen.startsWith('127.')) {
      say(
        `  From your own computer:  ssh -L ${this.#options.port}:localhost:${this.#options.port} ${userInfo().username}@${hostname()}   then open ${url}/login`,
      );
    }
    say('  The certificate is self-made: the browser will ask once.');
    if (!isRoot)
      say(
        `  Everything runs as the user ${userInfo().username}. Started by root, base and site would run as a user of their own.`,
      );
    if (!this.#client) return;
    await this.#client.start();
    say(
      `  This machine is enrolled as a Jump Client. Its shell runs as ${isRoot ? 'root: whoever may jump to it is root here' : userInfo().username}.`,
    );
    say('  Open the site, then Console, then Jump.\n');
  }

  async #waitReady() {
    const giveUpAt = Date.now() + READY_WAIT_LIMIT_MS;
    for (;;) {
      try {
        return await ask(this.#options.home, { kind: 'wait-ready', timeoutMs: READY_WAIT_LIMIT_MS }, READY_WAIT_LIMIT_MS);
      } catch (error) {
        if (this.#stopping || Date.now() > giveUpAt)
          return { ok: false, error: `${error.message}; ${join(this.#options.home, 'log', 'appliance.log')} says more.` };
        await delay(20);
      }
    }
  }

  /**
   * Ctrl-C ends the client and its sessions too; any other signal stops the appliance and leaves a client with live sessions running.
   * @param {NodeJS.Signals} signal  @returns {Promise<number>}
   */
  async #stop(signal) {
    if (this.#stopping) return await new Promise(() => {});
    this.#stopping = true;
    if (signal === 'SIGINT') say('\nStopping ...');
    if (this.#client && (signal === 'SIGINT' || !this.#client.hasSessions())) await this.#client.stop();
    else this.#client?.leave();
    const boot = this.#boot;
    if (boot && boot.exitCode === null && boot.signalCode === null) {
      const gone = new Promise((resolve) => boot.once('exit', resolve));
      boot.kill('SIGTERM');
      await Promise.race([gone, delay(STOP_WAIT_LIMIT_MS, undefined, { ref: false }).then(() => boot.kill('SIGKILL'))]);
    }
    if (signal === 'SIGINT') say('Stopped.');
    return 0;
  }
}

await runMain(async () => {
  if (process.argv.slice(2).some((argument) => argument === '--help' || argument === '-h')) {
    say(USAGE);
    return 0;
  }
  const options = parseOptions(process.argv.slice(2), process.env);
  const home = chooseHome(options);
  refuseSecondStart(home, options.homeGiven);
  await checkPort(options);
  await ensureInstalled({ web: true });
  prepareHome(home);
  const software = stage(home, options.restage);
  return await new Starter({ ...options, home }, software).run();
});
