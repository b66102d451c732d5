#!/usr/bin/env node
/** `npm run appliance -- COMMAND`, or `bascule-appliance COMMAND`: works on a running, stopped or broken appliance, without a browser. */
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isRoot, runtime, checkout } from './checkout.mjs';
import { plan } from './appliance-plans.mjs';
import { restore } from './appliance-restore.mjs';
import * as updates from './appliance-updates.mjs';
import { ask, running } from './control.mjs';
import { SERVICE_USER, chooseHome } from './home.mjs';
import { ensureInstalled } from './install.mjs';
import { humanLine } from './log-lines.mjs';
import { parseOptions } from './options.mjs';
import { Stop, plain, runMain, say } from './say.mjs';

const USAGE = `npm run appliance -- status                                      what runs here
npm run appliance -- first-passwords                             waits until it is ready; one-time passwords of a first start, shown once
npm run appliance -- reset-password login|appliance [USER]       a one-time password for USER (default admin)
npm run appliance -- reset-second-factor login|appliance [USER]  removes one-time codes and passkeys of USER (default admin)
npm run appliance -- log [--json]                                the end of the log, or its lines as they are
npm run appliance -- log ID                                      the log of one installation
npm run appliance -- stop                                        stop the appliance
npm run appliance -- updates                                     what is installed, what there is, and the upgrade path
npm run appliance -- check                                       look for updates now
npm run appliance -- install base|site|TARGET [--accept-eula NAME] [--overrule CODE,CODE]
                                                                 install and show how it goes; exit code 0 only when installed
npm run appliance -- import FILE [--trust FINGERPRINT]           verify a .bascule-update file and take its packages; --trust once, with the
                                                                 SHA-256 of its root, compared with what the publisher says
npm run appliance -- rollback base|site                          back to the version before
npm run appliance -- download-key                                a key for a machine that can reach the update server
npm run appliance -- plan [show]                                 the upgrade plan that is under way, step by step
npm run appliance -- plan make single|synchronous|asynchronous|rolling
                                                                 shows what a plan will do and how long; nothing is done yet
npm run appliance -- plan run [KIND] [--step-by-step] [--overrule CODE,CODE]
                                                                 runs it, or goes on with it, and shows how it goes; exit code 0 only when it is
                                                                 done, 3 when it waits for somebody
npm run appliance -- plan confirm|pause|cancel|give-up|report    somebody has looked; or stops it, takes it back, ends it as it is; its signed report
npm run appliance -- restore FILE [--box-settings] [--break-pair] [--confirm NAME]
                                                                 shows what is in a backup, asks, and restores it; a password is asked for, or
                                                                 is the first line of standard input; exit code 0 only when it is restored
npm run appliance -- restore show|undo                           how the last restore stands; puts back the state before it
npm run appliance -- accept-time                                 the system clock is right, and a later time seen before was wrong
Each takes --home DIR.`;
const ANSWER_WAIT_LIMIT_MS = 10_000;
/** The first start of an appliance that was installed makes its software first. */
const READY_WAIT_LIMIT_MS = 300_000;
const READY_LOOK_INTERVAL_MS = 200;
const LOG_TAIL_BYTES = 64 * 1024;

await runMain(async () => {
  if (process.argv.slice(2).some((argument) => argument === '--help' || argument === '-h')) {
    say(USAGE);
    return 0;
  }
  const { words, rest } = split(process.argv.slice(2));
  const own = takeOwnOptions(words[0], rest);
  const home = chooseHome(parseOptions(own.rest, process.env));
  const [command, ...more] = words;
  const commands = {
    status: () => status(home),
    'first-passwords': () => firstPasswords(home),
    'reset-password': () => reset(home, 'reset-password', more),
    'reset-second-factor': () => reset(home, 'reset-second-factor', more),
    log: () => (more[0] ? updates.installationLog(home, more[0]) : log(home, own.asJson)),
    stop: () => stop(home),
    updates: () => updates.updates(home),
    check: () => updates.check(home),
    install: () => updates.install(home, more[0], own),
    import: () => updates.importFile(home, more[0], own),
    rollback: () => updates.rollBack(home, more[0]),
    'download-key': () => updates.downloadKey(home),
    'accept-time': () => updates.acceptTime(home),
    plan: () => plan(home, more, own),
    restore: () => restore(home, more, own),
  };
  const run = commands[/** @type {keyof typeof commands} */ (command ?? '')];
  if (!run) throw new Stop(USAGE, 64);
  return await run();
});

/** @param {string[]} args */
function split(args) {
  const from = args.findIndex((argument) => argument.startsWith('--'));
  return from < 0 ? { words: args, rest: [] } : { words: args.slice(0, from), rest: args.slice(from) };
}

/**
 * Takes the options of `command` out of `rest`, where those of npm start stay.
 * @param {string | undefined} command  @param {string[]} rest
 */
function takeOwnOptions(command, rest) {
  const own = {
    asJson: false,
    stepByStep: false,
    boxSettings: false,
    breakPair: false,
    confirm: /** @type {string | undefined} */ (undefined),
    acceptEula: /** @type {string | undefined} */ (undefined),
    trust: /** @type {string | undefined} */ (undefined),
    overrule: /** @type {string[]} */ ([]),
    rest: /** @type {string[]} */ ([]),
  };
  for (let index = 0; index < rest.length; index++) {
    const [flag = '', inline] = (rest[index] ?? '').split(/=(.*)/s);
    const value = () => {
      const given = inline ?? rest[++index];
      if (!given || given.startsWith('--')) throw new Stop(`${flag} needs a value.`, 64);
      return given;
    };
    if (command === 'log' && flag === '--json') own.asJson = true;
    else if (command === 'install' && flag === '--accept-eula') own.acceptEula = value();
    else if (command === 'import' && flag === '--trust') own.trust = value().toLowerCase();
    else if (command === 'plan' && flag === '--step-by-step') own.stepByStep = true;
    else if (command === 'restore' && flag === '--box-settings') own.boxSettings = true;
    else if (command === 'restore' && flag === '--break-pair') own.breakPair = true;
    else if (command === 'restore' && flag === '--confirm') own.confirm = value();
    else if ((command === 'install' || command === 'plan') && flag === '--overrule') own.overrule.push(...value().split(','));
    else own.rest.push(rest[index] ?? '');
  }
  return own;
}

/** @param {string} home */
async function status(home) {
  if (!existsSync(join(home, 'box'))) throw new Stop(`There is no appliance in ${home}. To make one: npm start`, 1);
  const boot = running(home);
  if (!boot) {
    say(`Stopped. State: ${home}. To start it: npm start`);
    return 1;
  }
  const answer = await ask(home, { kind: 'status' }, ANSWER_WAIT_LIMIT_MS).catch(() => undefined);
  if (!answer?.status) {
    say(`boot runs (PID ${boot.pid}), but base does not answer. See: npm run appliance -- log`);
    return 1;
  }
  const { address, version, ready, processes } = answer.status;
  say(`${ready ? 'Running' : 'Starting'} at ${address}, ${await versions(home, version)}, state in ${home}`);
  for (const { name, pid, user, state, restarts } of processes)
    say(
      `  ${name.padEnd(7)} ${String(pid).padStart(8)}  ${user.padEnd(10)} ${state}${restarts ? `, restarted ${restarts} times since ${name === 'base' || name === 'helper' ? 'boot' : 'base'} started` : ''}`,
    );
  return ready ? 0 : 1;
}

/** What `npm start` says at a first start, for whoever starts it otherwise. @param {string} home */
async function firstPasswords(home) {
  const giveUpAt = Date.now() + READY_WAIT_LIMIT_MS;
  for (;;) {
    const wait = { kind: 'wait-ready', timeoutMs: READY_WAIT_LIMIT_MS };
    const answer = await ask(home, wait, READY_WAIT_LIMIT_MS).catch(() => undefined);
    if (answer !== undefined) return showPasswords(answer);
    if (Date.now() > giveUpAt)
      throw new Stop(
        `Nothing answers in ${home}: is it started? npm run appliance -- status and npm run appliance -- log say more.`,
      );
    await delay(READY_LOOK_INTERVAL_MS);
  }
}

/** @param {any} answer */
function showPasswords(answer) {
  if (!answer.ok) fail(answer.error);
  const { address } = answer.status;
  const passwords = answer.firstPasswords ?? {};
  for (const which of ['login', 'appliance'])
    say(
      `${address}/${which}  user admin, ${passwords[which] ? `one-time password ${passwords[which]}` : `password set or shown before; a new one-time password: npm run appliance -- reset-password ${which}`}`,
    );
  return 0;
}

/** `base 0.1.0 and site 0.2.0`: they are updated apart. @param {string} home  @param {string} version what base says of itself */
async function versions(home, version) {
  const answer = await ask(home, { kind: 'updates' }, ANSWER_WAIT_LIMIT_MS).catch(() => undefined);
  const programs = (answer?.updates?.installed ?? []).filter((/** @type {any} */ { kind }) => ['base', 'site'].includes(kind));
  return programs.map((/** @type {any} */ one) => `${one.kind} ${one.version}`).join(' and ') || `base ${version}`;
}

/** @param {string} home  @param {'reset-password' | 'reset-second-factor'} verb  @param {string[]} words */
async function reset(home, verb, [which, user = 'admin', ...tooMany]) {
  if ((which !== 'login' && which !== 'appliance') || tooMany.length > 0) throw new Stop(USAGE, 64);
  const answer = running(home)
    ? await ask(home, { kind: verb, interface: which, user }, ANSWER_WAIT_LIMIT_MS).catch(() => undefined)
    : undefined;
  if (answer && !answer.ok) fail(answer.error);
  const { password } = answer ?? (await resetStopped(home, verb, which, user));
  if (verb === 'reset-password')
    say(`User ${user}, one-time password ${password} (good for one login at /${which}, then a new one must be set)`);
  else
    say(
      `User ${user} has no second factor at /${which} any more: the password alone is enough. Set up another under My account.`,
    );
  return 0;
}

/**
 * Straight on the database, as the user who owns it.
 * @param {string} home  @param {'reset-password' | 'reset-second-factor'} verb  @param {'login' | 'appliance'} which  @param {string} user
 * @returns {Promise<{ password?: string }>}
 */
async function resetStopped(home, verb, which, user) {
  const database = which === 'login' ? join(home, 'site', 'site.db') : join(home, 'box', 'box.db');
  if (!existsSync(database)) throw new Stop(`There is no appliance in ${home} (no ${database}). To make one: npm start`, 1);
  if (running(home))
    throw new Stop(`The appliance runs but does not answer: stop it first (npm run appliance -- stop), then ${verb} again.`, 1);
  if (!process.env['BASCULE_INSTALLED']) await ensureInstalled();
  // Each database is opened by the software that knows its schema.
  const kind = which === 'login' ? 'site' : 'base';
  const staged = join(home, 'software', kind, 'current');
  const source =
    which === 'login' ? ['apps', 'site', 'src', 'offline-reset.ts'] : ['packages', 'accounts', 'src', 'offline-reset.ts'];
  const program = join(existsSync(staged) ? staged : checkout, ...source);
  const node = stagedRuntime(home);
  const args = [program, '--database', database, '--kind', which === 'login' ? 'user' : 'boxAdministrator', '--name', user];
  if (verb === 'reset-second-factor') args.push('--second-factor');
  const run = isRoot
    ? spawnSync('setpriv', [`--reuid=${SERVICE_USER}`, `--regid=${SERVICE_USER}`, '--clear-groups', node, ...args], {
        encoding: 'utf8',
        cwd: '/',
        env: { PATH: process.env['PATH'] },
      })
    : spawnSync(node, args, { encoding: 'utf8', cwd: '/', env: { PATH: process.env['PATH'] } });
  if (run.status !== 0) throw new Stop((run.stderr || run.error?.message || `${verb} failed`).trim());
  return JSON.parse(run.stdout);
}

/** The service user can read the staged Node, but perhaps not the checkout's. @param {string} home */
function stagedRuntime(home) {
  const find = spawnSync('sh', ['-c', 'ls -t "$1"/software/runtimes/*/bin/node 2>/dev/null | head -n 1', 'sh', home], {
    encoding: 'utf8',
  });
  return find.stdout.trim() || runtime;
}

/** @param {string} sentence  @returns {never} */
function fail(sentence) {
  throw new Stop(sentence);
}

/** @param {string} home  @param {boolean} asJson */
function log(home, asJson) {
  const file = join(home, 'log', 'appliance.log');
  if (!existsSync(file)) throw new Stop(`There is no log in ${home}.`);
  const descriptor = openSync(file, 'r');
  const size = fstatSync(descriptor).size;
  const tail = Buffer.alloc(Math.min(size, LOG_TAIL_BYTES));
  readSync(descriptor, tail, 0, tail.length, size - tail.length);
  closeSync(descriptor);
  const lines = tail.subarray(size > tail.length ? tail.indexOf(10) + 1 : 0).toString();
  process.stdout.write(asJson ? lines : plain(lines.split('\n').map(humanLine).join('\n')));
  return 0;
}

/** @param {string} home */
async function stop(home) {
  const boot = running(home);
  if (!boot) throw new Stop(`Nothing runs in ${home}.`);
  process.kill(boot.pid, 'SIGTERM');
  say('Stopping. A local Jump Client with live sessions goes on; npm start finds it again.');
  return 0;
}
