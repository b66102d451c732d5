/** The part of `npm run appliance` about updates: what /appliance > Updates does, with the web down. */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { ask, running } from './control.mjs';
import { plain, Stop, say } from './say.mjs';
import { amount, blockedSentence, pathLine, sentences, span, stepLine, whenText } from './updates-lines.mjs';

const ANSWER_WAIT_LIMIT_MS = 10_000;
/** Looking for updates asks two servers; verifying a file of gigabytes reads it twice. */
const CHECK_WAIT_LIMIT_MS = 150_000;
const IMPORT_WAIT_LIMIT_MS = 35 * 60_000;
const LOOK_EVERY_MS = 500;
/** What is looked at after an installation takes seconds. */
const VERIFICATION_WAIT_LIMIT_MS = 20_000;
/** A base that is replaced is away for a second or two; one that stays away for so long needs somebody. */
const BASE_AWAY_LIMIT_MS = 180_000;

/** @param {string} home */
export async function updates(home) {
  if (!running(home)) return installedOnly(home);
  show((await asked(home, { kind: 'updates' }, ANSWER_WAIT_LIMIT_MS)).updates);
  return 0;
}

/** @param {string} home */
export async function check(home) {
  needRunning(home);
  show((await asked(home, { kind: 'updates-check' }, CHECK_WAIT_LIMIT_MS)).updates);
  return 0;
}

/**
 * @param {string} home  @param {string | undefined} target
 * @param {{ acceptEula: string | undefined, overrule: string[] }} options
 */
export async function install(home, target, { acceptEula, overrule }) {
  if (!target) throw new Stop('Say what to install: base, site, or a target that  npm run appliance -- updates  names.', 64);
  needRunning(home);
  const request = { kind: 'updates-install', target, overrule, ...(acceptEula && { acceptEula }) };
  const { installation } = await asked(home, request, ANSWER_WAIT_LIMIT_MS).catch((error) => {
    throw error instanceof Stop && isAboutAgreement(error.message) ? new Stop(`${error.message} ${howToAccept(target)}`) : error;
  });
  return await follow(home, installation);
}

/** EULA_NOT_ACCEPTED of base, whose answer holds its sentence only. @param {string} message */
function isAboutAgreement(message) {
  return message.includes('licence agreement') && message.includes('must be accepted');
}

/** @param {string} target */
function howToAccept(target) {
  return `Read it under /appliance > Updates, then accept it by name: npm run appliance -- install ${target} --accept-eula "Your Name"`;
}

/**
 * `trust`: the fingerprint of the file's root, compared by a person, when none is confirmed yet.
 * @param {string} home  @param {string | undefined} file  @param {{ trust: string | undefined }} options
 */
export async function importFile(home, file, { trust }) {
  if (!file) throw new Stop('Say which .bascule-update file.', 64);
  needRunning(home);
  const path = resolve(file);
  if (!existsSync(path)) throw new Stop(`There is no file ${path}.`);
  say(`Verifying ${basename(path)} ...`);
  const request = { kind: 'updates-import', file: realpathSync(path), ...(trust && { rootSha256: trust }) };
  show((await asked(home, request, IMPORT_WAIT_LIMIT_MS)).updates);
  return 0;
}

/** @param {string} home  @param {string | undefined} kind */
export async function rollBack(home, kind) {
  if (kind !== 'base' && kind !== 'site') throw new Stop('Say which: rollback base, or rollback site.', 64);
  needRunning(home);
  const { installation } = await asked(home, { kind: 'updates-roll-back', package: kind }, ANSWER_WAIT_LIMIT_MS);
  return await follow(home, installation);
}

/** Only the key on standard output, so that it can be sent into a file. @param {string} home */
export async function downloadKey(home) {
  needRunning(home);
  const { downloadKey: text } = await asked(home, { kind: 'updates-download-key' }, ANSWER_WAIT_LIMIT_MS);
  process.stdout.write(text);
  process.stderr.write('Good for 24 minutes: redeem it at the update server, then  npm run appliance -- import FILE\n');
  return 0;
}

/** @param {string} home */
export async function acceptTime(home) {
  needRunning(home);
  await asked(home, { kind: 'accept-time' }, ANSWER_WAIT_LIMIT_MS);
  say(`From now on the appliance goes by the clock of this machine: ${whenText(Date.now())}. Whoever did this is in its audit.`);
  return 0;
}

/** @param {string} home  @param {string} id */
export async function installationLog(home, id) {
  needRunning(home);
  const { installationLog: text } = await asked(home, { kind: 'updates-installation', id }, ANSWER_WAIT_LIMIT_MS);
  process.stdout.write(plain(text.endsWith('\n') ? text : `${text}\n`));
  return 0;
}

/**
 * Shows an installation until its end. Ctrl-C stops the showing only.
 * @param {string} home  @param {string} id
 */
async function follow(home, id) {
  say(`Installation ${id}. Ctrl-C leaves it running.`);
  const watched = new AbortController();
  const leave = () => watched.abort();
  process.once('SIGINT', leave);
  const screen = new Screen();
  let heardMs = Date.now();
  try {
    for (;;) {
      if (watched.signal.aborted) return left(id, screen);
      const answer = await ask(home, { kind: 'updates-installation', id }, ANSWER_WAIT_LIMIT_MS).catch(() => undefined);
      if (answer && !answer.ok) throw new Stop(answer.error);
      if (answer) {
        heardMs = Date.now();
        screen.show(answer.installationState);
        if (answer.installationState.outcome !== 'running')
          return ended(await verified(home, answer.installationState, watched.signal), screen);
      } else if (Date.now() - heardMs > BASE_AWAY_LIMIT_MS) {
        screen.clear();
        throw new Stop(
          `base has not answered for ${span(BASE_AWAY_LIMIT_MS)}. boot brings it back by itself; see: npm run appliance -- log`,
        );
      } else screen.away();
      await pause(watched.signal);
    }
  } finally {
    process.off('SIGINT', leave);
  }
}

/** Until the next look, or at once when `signal` says so; leaves no listener behind. @param {AbortSignal} signal */
async function pause(signal) {
  await wait(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
}

/**
 * `installation` once its verification list is complete, or as far as it is when that takes too long.
 * @param {string} home  @param {any} installation  @param {AbortSignal} signal
 */
async function verified(home, installation, signal) {
  const untilMs = Date.now() + VERIFICATION_WAIT_LIMIT_MS;
  let latest = installation;
  while (latest.outcome === 'installed' && !isVerified(latest) && !signal.aborted && Date.now() < untilMs) {
    await pause(signal);
    const answer = await ask(home, { kind: 'updates-installation', id: latest.id }, ANSWER_WAIT_LIMIT_MS).catch(() => undefined);
    if (answer?.ok) latest = answer.installationState;
  }
  return latest;
}

/** @param {any} installation */
function isVerified({ verification }) {
  return verification.length > 0 && verification.every((/** @type {any} */ { state }) => !['waiting', 'running'].includes(state));
}

/** @param {string} id  @param {Screen} screen */
function left(id, screen) {
  screen.clear();
  say(
    `The installation goes on by itself. To see how it is: npm run appliance -- updates; its log: npm run appliance -- log ${id}`,
  );
  return 130;
}

/** @param {any} installation  @param {Screen} screen */
function ended(installation, screen) {
  const { id, outcome, operation, kind, toVersion, fromVersion, cause, preflight, verification, unavailableMs } = installation;
  screen.clear();
  if (outcome === 'installed') {
    const away = unavailableMs === null ? '' : ` Requests were held for ${span(unavailableMs)}.`;
    say(
      `${operation === 'roll-back' ? 'Rolled back' : 'Installed'}: ${kind} ${toVersion}${fromVersion ? ` after ${fromVersion}` : ''}.${away}`,
    );
    if (isVerified(installation)) for (const { state, text } of verification) say(`  ${state.padEnd(8)} ${text}`);
    else say(`It is still being verified; the result will be in: npm run appliance -- log ${id}`);
    return 0;
  }
  for (const { outcome: colour, code, text, advice, overruledBy } of preflight)
    if (colour !== 'green' && overruledBy === null) say(`  ${colour.padEnd(6)} ${code}: ${text} ${advice}`);
  const what =
    outcome === 'rolled-back'
      ? `Not installed: ${fromVersion ?? 'the version before'} runs again, nothing was lost.`
      : `Not installed (${outcome}).`;
  process.stderr.write(plain(`${sentences(what, cause?.message, cause?.advice)}\nIts log: npm run appliance -- log ${id}\n`));
  return 1;
}

/** Steps as they end, one line each; below them, on a terminal, how far the present one is. */
class Screen {
  #shown = new Set();
  #isAway = false;
  #isTerminal = process.stdout.isTTY === true;

  /** @param {any} installation */
  show({ steps }) {
    this.#isAway = false;
    for (const step of steps) {
      if (this.#shown.has(step.step) || ['waiting', 'running'].includes(step.state)) continue;
      this.#shown.add(step.step);
      if (step.state === 'skipped') continue;
      this.clear();
      say(stepLine(step));
    }
    const now = steps.find((/** @type {any} */ { state }) => state === 'running');
    if (now && this.#isTerminal)
      process.stdout.write(`\r\x1b[K${plain(stepLine(now)).slice(0, (process.stdout.columns ?? 80) - 1)}`);
  }

  away() {
    if (this.#isAway) return;
    this.#isAway = true;
    this.clear();
    say('  base is being replaced ...');
  }

  clear() {
    if (this.#isTerminal) process.stdout.write('\r\x1b[K');
  }
}

/** @param {any} state updatesState of the API */
function show(state) {
  for (const { kind, version, revision, previousVersion } of state.installed)
    say(`${kind.padEnd(8)} ${version} (${revision})${previousVersion ? `, before it ${previousVersion}` : ''}`);
  if (state.trust === null) say('No update root is confirmed yet: /appliance > Updates > Settings.');
  const { lastCheck } = state;
  if (lastCheck?.error)
    say(`Last check ${whenText(lastCheck.atMs)} failed: ${sentences(lastCheck.error.message, lastCheck.error.advice)}`);
  else if (lastCheck) say(`Last check ${whenText(lastCheck.atMs)}.`);
  if (['behind', 'off'].includes(state.clock.state)) say(`The clock is ${state.clock.state}: check Networking > NTP.`);
  if (state.clock.state === 'behind')
    say(
      `  A later time was seen: ${whenText(state.clock.highestSeenMs)}. If that was wrong and the clock is right: npm run appliance -- accept-time`,
    );
  const offers = state.offers.filter((/** @type {any} */ offer) => ['installable', 'blocked'].includes(offer.state));
  say(offers.length > 0 ? 'Available:' : 'Nothing newer is known.');
  for (const offer of offers) {
    const here = offer.downloadedBytes >= offer.downloadBytes ? ', here already' : '';
    say(`  ${offer.target}  ${amount(offer.downloadBytes)}${here}${offer.manifest.emergency ? ', emergency' : ''}`);
    for (const blocker of offer.blockedBy) say(`      ${blockedSentence(blocker)}`);
  }
  if (state.path.length > 1) {
    say('Upgrade path:');
    for (const part of state.path) say(`  ${pathLine(part)}`);
  }
  if (state.running) {
    say(`Running: ${state.running.kind} ${state.running.toVersion}, started by ${state.running.startedBy}`);
    for (const step of state.running.steps) if (step.state !== 'skipped') say(stepLine(step));
  }
  if (state.rolledBack)
    say(
      `Rolled back: ${state.rolledBack.kind} ${state.rolledBack.toVersion}. ${sentences(state.rolledBack.cause?.message, state.rolledBack.cause?.advice)}`,
    );
}

/** What can be said without base: versions by the pointers. @param {string} home */
function installedOnly(home) {
  if (!existsSync(join(home, 'software'))) throw new Stop(`There is no appliance in ${home}. To make one: npm start`, 1);
  for (const kind of ['base', 'site']) {
    const pointer = join(home, 'software', kind, 'current');
    if (!existsSync(pointer)) continue;
    const folder = realpathSync(pointer);
    const manifest = join(folder, 'bascule-package.json');
    const { version, revision } = JSON.parse(
      readFileSync(existsSync(manifest) ? manifest : join(folder, 'package.json'), 'utf8'),
    );
    say(`${kind.padEnd(8)} ${version}${revision ? ` (${revision})` : ''}`);
  }
  say('The appliance is stopped. For what can be installed, base must run: npm start');
  return 1;
}

/** @param {string} home */
export function needRunning(home) {
  if (!running(home)) throw new Stop(`Nothing runs in ${home}, and this needs base. To start it: npm start`);
}

/** @param {string} home  @param {Record<string, unknown>} request  @param {number} timeoutMs */
export async function asked(home, request, timeoutMs) {
  const answer = await ask(home, request, timeoutMs).catch((error) => {
    throw new Stop(
      error.code === 'EACCES'
        ? 'The control socket belongs to another user: run this as the user who started the appliance, or as root.'
        : `base does not answer (${error.message}). boot starts it again by itself; see: npm run appliance -- log`,
    );
  });
  if (!answer.ok) throw new Stop(answer.error);
  return answer;
}
