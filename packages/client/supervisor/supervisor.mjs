/**
 * Keeps a Bascule client program running, and lets it try the next version of itself: docs/spec/client-supervisor.md. An installer puts it on the endpoint, and no upgrade
 * replaces it, so it knows as little as possible: folders, a few messages, three tries. Node's own modules only.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, fchmodSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** Starts of a candidate, at most, until it has said `healthy`. */
const TRIES_MAX = 3;
const TRY_PAUSE_MS = 1000;
const HEALTH_MAX_SECONDS = 3600;
/** After `stop` the program has this long before SIGKILL. */
const STOP_LIMIT_MS = 10_000;
/** Before a program that died is started again; doubled each time, until one ran for STEADY_MS. */
const RESTART_FIRST_MS = 1000;
const RESTART_MAX_MS = 60_000;
const STEADY_MS = 60_000;
/** After so many starts in a row that ended without a single message, the version before is started in turn with the current one. */
const SILENT_DEATHS_LIMIT = 5;
const LAST_WORDS_MAX_BYTES = 4096;
const LAST_WORDS_LIMIT_MS = 500;
const REASON_MAX_CHARACTERS = 500;
/** Which version runs is no secret: `bascule-client status` of an ordinary user reads it. */
const FOR_ALL = 0o644;
/** A person has to mend something: here, that this folder has its supervisor already. */
const EXIT_USAGE = 2;
const FOLDER_NAME = /^[0-9A-Za-z][0-9A-Za-z._-]{0,99}$/;
const FIELD_TEXT = /^[\x20-\x7e]{1,100}$/;

/**
 * @typedef {{ folder: string, order: string, version: string, healthSeconds: number, tries: number, maxTries: number }} Trial
 * @typedef {{ failure: string, reason: string }} Trouble
 */

const home = dirname(fileURLToPath(import.meta.url));
/** @param {string[]} names */
const below = (...names) => join(home, ...names);
/** @param {string} text */
const say = (text) => process.stderr.write(`supervisor: ${text}\n`);

function syncHome() {
  if (process.platform === 'win32') return;
  const descriptor = openSync(home, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Either the old or the new file after a power cut. @param {string} name @param {string} text @param {number} [mode] whatever the umask */
function write(name, text, mode = 0o600) {
  const temporary = below(`${name}.next`);
  const descriptor = openSync(temporary, 'w', 0o600);
  try {
    writeFileSync(descriptor, text);
    fchmodSync(descriptor, mode);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(temporary, below(name));
  syncHome();
}

/** @param {string} name */
function remove(name) {
  rmSync(below(name), { force: true });
  syncHome();
}

/** @param {string} name @returns {any} undefined when it is missing or no JSON object */
function readJson(name) {
  try {
    return Object(JSON.parse(readFileSync(below(name), 'utf8')));
  } catch {
    return undefined;
  }
}

/** The bundle folder that `current` or `previous` names, when it is there. @param {string} pointer */
function folderOf(pointer) {
  try {
    const name = readFileSync(below(pointer), 'utf8').trim();
    return isBundle(name) ? name : undefined;
  } catch {
    return undefined;
  }
}

/** @param {unknown} name @returns {name is string} */
function isBundle(name) {
  return typeof name === 'string' && FOLDER_NAME.test(name) && existsSync(below('bundles', name, 'main.mjs'));
}

/** @param {string} folder @param {string[]} args @param {import('node:child_process').StdioOptions} stdio */
function start(folder, args, stdio) {
  const bundle = below('bundles', folder);
  const runtime = readFileSync(join(bundle, 'runtime.txt'), 'utf8').trim();
  if (!FOLDER_NAME.test(runtime)) throw new Error(`${bundle} names no runtime`);
  const node = process.platform === 'win32' ? ['node.exe'] : ['bin', 'node'];
  const libraries = process.platform === 'linux' ? { LD_LIBRARY_PATH: below('lib') } : {};
  return spawn(below('runtimes', runtime, ...node), [join(bundle, 'main.mjs'), ...args], {
    stdio,
    windowsHide: true,
    env: { ...process.env, ...libraries, BASCULE_SUPERVISOR: '1', BASCULE_PROGRAM_FOLDER: home },
  });
}

/** One child at a time: the current program, or a candidate on trial. */
class Supervisor {
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #child;
  #stopping = new AbortController();
  #uninstalled = false;
  /** Another supervisor keeps this program running. */
  #isSecond = false;
  #silentDeaths = 0;
  #restartMs = RESTART_FIRST_MS;
  /** Of the order whose candidate is being tried: on the clock that nobody sets. @type {{ order: string, atMs: number } | undefined} */
  #deadline;
  /** An order that is over although the disk would not have it written down. @type {string | undefined} */
  #over;

  /** Runs until `stop`, until the program has removed itself, or when it runs already under another supervisor. @returns {Promise<number>} the exit code */
  async run() {
    while (!this.#stopping.signal.aborted && !this.#isOver()) {
      const trial = this.#nextTry();
      const pauseMs = trial ? await this.#runCandidate(trial) : await this.#runCurrent();
      await delay(pauseMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
    }
    return this.#isSecond ? EXIT_USAGE : 0;
  }

  #isOver() {
    return this.#uninstalled || this.#isSecond;
  }

  stop() {
    this.#stopping.abort();
    this.#stopChild();
  }

  /** What trial.json asks for now, its try counted on disk; undefined when there is nothing to try. @returns {Trial | undefined} */
  #nextTry() {
    const trial = readJson('trial.json');
    if (trial === undefined || trial.order === this.#over) return undefined;
    const outcome = readJson('outcome.json');
    const isDecided = outcome?.order === trial.order && outcome?.state !== 'done';
    try {
      if (trial.folder === folderOf('current')) this.#finish(trial);
      else if (isDecided || typeof trial.order !== 'string') remove('trial.json');
      else if (!isBundle(trial.folder) || !(trial.tries < trial.maxTries))
        this.#rollBack(trial, { failure: 'does-not-start', reason: 'It was started, and did not get well.' });
      else {
        write('trial.json', JSON.stringify({ ...trial, tries: trial.tries + 1 }));
        return { ...trial, tries: trial.tries + 1 };
      }
    } catch (error) {
      this.#rollBack(trial, { failure: 'disk-full', reason: String(error) });
    }
    return undefined;
  }

  /** @returns {Promise<number>} the pause before the next start */
  async #runCurrent() {
    const current = folderOf('current');
    const previous = folderOf('previous');
    const isPreviousTurn = this.#silentDeaths >= SILENT_DEATHS_LIMIT && this.#silentDeaths % 2 === 1;
    const folder = current === undefined || (isPreviousTurn && previous !== undefined) ? previous : current;
    if (folder === undefined) say(`neither ${below('current')} nor ${below('previous')} names a program: install it again`);
    let isTryWanted = false;
    const end = await this.#runChild(folder, [], (message) => {
      if (message.kind === 'try') isTryWanted = this.#accept(message) || isTryWanted;
    });
    if (isTryWanted || this.#isOver()) return 0;
    if (end.ranMs >= STEADY_MS) this.#restartMs = RESTART_FIRST_MS;
    this.#silentDeaths = end.spoke ? 0 : this.#silentDeaths + 1;
    const pauseMs = this.#restartMs;
    this.#restartMs = Math.min(this.#restartMs * 2, RESTART_MAX_MS);
    if (!this.#stopping.signal.aborted) say(`${folder} ended (${end.how}); it is started again in ${pauseMs / 1000} s`);
    return pauseMs;
  }

  /** The candidate's start until its end: as a candidate, or long after as the current program. @param {Trial} trial @returns {Promise<number>} */
  async #runCandidate(trial) {
    if (this.#deadline?.order !== trial.order)
      this.#deadline = { order: trial.order, atMs: performance.now() + trial.healthSeconds * 1000 };
    /** @type {Trouble | undefined} */
    let trouble;
    let isGivenUp = false;
    let isCommitted = false;
    let isTryWanted = false;
    const giveUp = () => {
      isGivenUp = true;
      this.#child?.kill('SIGKILL');
    };
    const timer = setTimeout(giveUp, Math.max(0, this.#deadline.atMs - performance.now()));
    say(`trying ${trial.folder} (${trial.tries} of ${trial.maxTries})`);
    const end = await this.#runChild(trial.folder, ['--trial'], (message) => {
      if (isCommitted) {
        if (message.kind === 'try') isTryWanted = this.#accept(message) || isTryWanted;
      } else if (message.kind === 'healthy') {
        clearTimeout(timer);
        isCommitted = this.#commit(trial);
        if (isCommitted) this.#child?.send({ kind: 'committed', order: trial.order });
        else giveUp();
      } else if (message.kind === 'trouble' || message.kind === 'give-up') {
        trouble = { failure: String(message.failure), reason: String(message.reason) };
        if (message.kind === 'give-up') giveUp();
      }
    });
    clearTimeout(timer);
    if (this.#isSecond) return 0;
    if (isCommitted || this.#stopping.signal.aborted) return isTryWanted || this.#uninstalled ? 0 : RESTART_FIRST_MS;
    const reason = [trouble?.reason, end.lastWords].filter(Boolean).join(' ') || `It ended (${end.how}).`;
    if (isGivenUp) this.#rollBack(trial, { failure: trouble?.failure ?? 'not-healthy-in-time', reason });
    else if (trial.tries >= trial.maxTries) this.#rollBack(trial, { failure: trouble?.failure ?? 'does-not-start', reason });
    else return TRY_PAUSE_MS;
    return 0;
  }

  /**
   * @param {string | undefined} folder @param {string[]} args @param {(message: any) => void} onMessage
   * @returns {Promise<{ how: string, ranMs: number, spoke: boolean, lastWords: string }>} how its run ended
   */
  #runChild(folder, args, onMessage) {
    const startedMs = performance.now();
    let lastWords = '';
    let spoke = false;
    return new Promise((resolve) => {
      /** @param {string} how */
      const ended = (how) => resolve({ how, ranMs: performance.now() - startedMs, spoke, lastWords: lastWords.trim() });
      try {
        if (folder === undefined) return ended('nothing to start');
        const child = start(folder, args, ['ignore', 'inherit', 'pipe', 'ipc']);
        this.#child = child;
        child.stderr?.on('data', (/** @type {Buffer} */ bytes) => {
          process.stderr.write(bytes);
          lastWords = (lastWords + bytes.toString('utf8')).slice(-LAST_WORDS_MAX_BYTES);
        });
        child.on('message', (message) => {
          spoke = true;
          const said = Object(message);
          if (said.kind === 'uninstalled') this.#uninstalled = true;
          else if (said.kind === 'already-runs') this.#isSecond = true;
          else onMessage(said);
        });
        child.on('error', (error) => child.pid === undefined && ended(error.message));
        child.once('exit', (code, signal) => {
          this.#child = undefined;
          // Its last words are on their way, unless somebody it started still holds the pipe.
          const how = signal ?? `exit code ${code}`;
          const timer = setTimeout(ended, LAST_WORDS_LIMIT_MS, how);
          child.once('close', () => {
            clearTimeout(timer);
            ended(how);
          });
        });
        if (this.#stopping.signal.aborted) this.#stopChild();
      } catch (error) {
        ended(String(error));
      }
    });
  }

  /** The program asks for a trial of another bundle: written down first, then the program is stopped. @param {any} message */
  #accept({ folder, order, version, healthSeconds }) {
    const isSound =
      isBundle(folder) &&
      folder !== folderOf('current') &&
      FIELD_TEXT.test(order) &&
      FIELD_TEXT.test(version) &&
      healthSeconds > 0 &&
      healthSeconds <= HEALTH_MAX_SECONDS;
    try {
      if (!isSound) throw new Error('what is to be tried is no other bundle of this folder');
      write('trial.json', JSON.stringify({ folder, order, version, healthSeconds, tries: 0, maxTries: TRIES_MAX }));
    } catch (error) {
      this.#child?.send({ kind: 'try-refused', order, reason: String(error).slice(0, REASON_MAX_CHARACTERS) });
      return false;
    }
    this.#stopChild();
    return true;
  }

  /** @param {Trial} trial @returns {boolean} whether the candidate is the current program now */
  #commit(trial) {
    try {
      const old = folderOf('current');
      if (old !== undefined) write('previous', old, FOR_ALL);
      write('current', trial.folder, FOR_ALL);
    } catch (error) {
      say(`${trial.folder} is well, but cannot be made the current program: ${String(error)}`);
      return false;
    }
    try {
      this.#finish(trial);
    } catch (error) {
      // From here on every start finds the candidate as the current program, and finishes then.
      say(`${trial.folder} is the current program; that could not be noted yet: ${String(error)}`);
    }
    return true;
  }

  /** `current` names the candidate: the outcome is noted and the trial over. @param {Trial} trial */
  #finish(trial) {
    this.#noteOutcome(trial, { state: 'done' });
    remove('trial.json');
    say(`${trial.folder} is the current program`);
  }

  /** @param {Trial} trial @param {Trouble} trouble */
  #rollBack(trial, trouble) {
    say(`${trial.folder} is given up: ${trouble.failure}. ${trouble.reason}`);
    this.#over = trial.order;
    try {
      this.#noteOutcome(trial, { state: 'rolled-back', ...trouble, reason: trouble.reason.slice(-REASON_MAX_CHARACTERS) });
    } catch (error) {
      say(`its outcome could not be noted: ${String(error)}`);
    }
    try {
      remove('trial.json');
    } catch (error) {
      say(`trial.json could not be removed: ${String(error)}`);
    }
  }

  /** @param {Trial} trial @param {object} what */
  #noteOutcome({ order, version, folder }, what) {
    write('outcome.json', JSON.stringify({ order, version, folder, ...what, atMs: Date.now() }));
  }

  #stopChild() {
    const child = this.#child;
    if (child === undefined) return;
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
    child.once('exit', () => clearTimeout(timer));
    if (child.connected) child.send({ kind: 'stop' });
    else child.kill('SIGTERM');
  }
}

/** With arguments: the current program once, in this terminal; its exit code is ours. @param {string[]} args @returns {Promise<number>} */
async function runOnce(args) {
  const folder = folderOf('current') ?? folderOf('previous');
  if (folder === undefined) throw new Error(`${home} holds no program: install it again.`);
  const child = start(folder, args, 'inherit');
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  process.on('SIGINT', () => undefined);
  return new Promise((resolve, reject) => {
    child.once('error', reject).once('close', (code, signal) => {
      if (signal !== null) say(`${folder} was ended by ${signal}`);
      resolve(code ?? 1);
    });
  });
}

const args = process.argv.slice(2);
if (args.length > 0) {
  process.exitCode = await runOnce(args);
} else {
  const supervisor = new Supervisor();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => supervisor.stop());
  process.exitCode = await supervisor.run();
}
