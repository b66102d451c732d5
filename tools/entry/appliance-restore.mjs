/** The part of `npm run appliance` about restoring: what /appliance > Support > Restore does, for a box whose pages nobody can reach. */
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { asked, needRunning } from './appliance-updates.mjs';
import { ask } from './control.mjs';
import { Stop, plain, say } from './say.mjs';

const ANSWER_WAIT_LIMIT_MS = 15_000;
/** The database of a large site is read, and its password is hard to try. */
const LOOK_WAIT_LIMIT_MS = 60 * 60_000;
const LOOK_EVERY_MS = 500;
/** base starts again within this; a restore that it has begun goes on. */
const BASE_AWAY_LIMIT_MS = 180_000;
/** Longer than this no password is. */
const PASSWORD_MAX_CHARACTERS = 1000;
const USAGE =
  'Say what: restore FILE [--box-settings] [--break-pair] [--confirm NAME] | restore undo [--confirm NAME] | restore show. A password is asked for, or read from standard input.';

/**
 * @param {string} home  @param {string[]} words what stands after `restore`
 * @param {{ boxSettings: boolean, breakPair: boolean, confirm: string | undefined }} options
 */
export async function restore(home, [what, ...tooMany], options) {
  if (what === undefined || tooMany.length > 0) throw new Stop(USAGE, 64);
  needRunning(home);
  if (what === 'show') return show((await asked(home, { kind: 'restore' }, ANSWER_WAIT_LIMIT_MS)).restore);
  if (what === 'undo') return await undo(home, options);
  return await restoreFile(home, resolve(what), options);
}

/** @param {string} home  @param {string} file  @param {{ boxSettings: boolean, breakPair: boolean, confirm: string | undefined }} options */
async function restoreFile(home, file, options) {
  const input = new Input();
  try {
    let password = await input.piped();
    let state = await look(home, file, password);
    if (password === undefined && state.inspection?.error?.code === 'BACKUP_PASSWORD_NEEDED') {
      password = await input.hidden('Password of the backup: ');
      state = await look(home, file, password);
    }
    const { inspection, applianceName } = state;
    if (inspection?.state !== 'done') throw new Stop(inspection?.error?.message ?? 'The backup could not be read.');
    for (const line of previewLines(inspection.preview)) say(line);
    const confirm =
      options.confirm ?? (await input.line(`What is here now goes to the archive. Type ${applianceName} to restore: `));
    const { restoration } = await asked(
      home,
      {
        kind: 'restore-start',
        file,
        ...(password !== undefined && { password }),
        withBoxSettings: options.boxSettings,
        breakPair: options.breakPair,
        confirm,
      },
      ANSWER_WAIT_LIMIT_MS,
    );
    return await follow(home, restoration);
  } finally {
    input.close();
  }
}

/** @param {string} home  @param {{ confirm: string | undefined }} options */
async function undo(home, options) {
  const { restore: state } = await asked(home, { kind: 'restore' }, ANSWER_WAIT_LIMIT_MS);
  if (state.last?.mayUndo !== true) throw new Stop('There is no restore whose state before is still in the archive.');
  const input = new Input();
  try {
    const confirm = options.confirm ?? (await input.line(`Type ${state.applianceName} to put back the state before: `));
    const { restoration } = await asked(home, { kind: 'restore-undo', confirm }, ANSWER_WAIT_LIMIT_MS);
    return await follow(home, restoration);
  } finally {
    input.close();
  }
}

/** @param {string} home  @param {string} file  @param {string | undefined} password */
async function look(home, file, password) {
  const request = { kind: 'restore-look', file, ...(password !== undefined && { password }) };
  return (await asked(home, request, LOOK_WAIT_LIMIT_MS)).restore;
}

/** Shows each step as it comes, to the end. @param {string} home  @param {string} id */
async function follow(home, id) {
  let shown = '';
  for (let awaySinceMs = 0; ; await wait(LOOK_EVERY_MS)) {
    const answer = await ask(home, { kind: 'restore-one', id }, ANSWER_WAIT_LIMIT_MS).catch(() => undefined);
    if (answer === undefined) {
      awaySinceMs ||= Date.now();
      if (Date.now() - awaySinceMs > BASE_AWAY_LIMIT_MS)
        throw new Stop('base does not answer any more. The restore goes on when it starts: npm run appliance -- restore show');
      continue;
    }
    awaySinceMs = 0;
    if (!answer.ok) throw new Stop(answer.error);
    const { restore: one } = answer;
    if (one.step !== shown) say(`  ${(shown = one.step)}`);
    if (one.outcome === 'running') continue;
    for (const line of endLines(one)) say(line);
    return one.outcome === 'restored' ? 0 : 1;
  }
}

/** @param {any} state */
function show(state) {
  const one = state.running ?? state.last;
  if (one === null) say('Nothing was restored here, or its report was closed.');
  else for (const line of endLines(one)) say(line);
  for (const { message } of state.blocked) say(message);
  return 0;
}

/** @param {any} preview  @returns {string[]} */
function previewLines(preview) {
  const { appliance, siteVersion, madeAtMs, contents, replaced, loginAdministrators, migrations, remarks, boxSettings } = preview;
  const figures = (/** @type {any} */ { users, clients, sessions }) =>
    `${users} users, ${clients} Jump Clients, ${sessions} sessions`;
  return [
    `Backup of ${appliance}, made ${new Date(madeAtMs).toISOString()} by site ${siteVersion}${migrations.length > 0 ? `; ${migrations.length} migrations will be applied` : ''}`,
    `  holds      ${figures(contents)}`,
    `  replaces   ${replaced === null ? 'nothing that can be read' : figures(replaced)}`,
    `  /login     users of the backup; administrators: ${loginAdministrators.names.join(', ')}`,
    '  /appliance administrators of this appliance, as before',
    ...remarks.map((/** @type {any} */ { message }) => `  note       ${message}`),
    ...boxSettings.map((/** @type {string} */ line) => `  box        ${line} (with --box-settings)`),
  ].map(plain);
}

/** @param {any} one  @returns {string[]} */
function endLines({ outcome, operation, step, cause, report }) {
  if (outcome === 'running') return [`The ${operation} is at the step ${step}.`];
  const lines = [`The ${operation} ended: ${outcome}.`];
  if (cause !== null) lines.push(cause.message);
  if (report === null) return lines.map(plain);
  const { clients, missingClients, lostClients, unreadableSecrets, boxSettings } = report;
  lines.push(`${clients.back} of ${clients.total} Jump Clients are back.`);
  if (missingClients.names.length > 0) lines.push(`Missing: ${missingClients.names.join(', ')}`);
  if (lostClients.names.length > 0) lines.push(`Cannot come back: ${lostClients.names.join(', ')}`);
  if ((unreadableSecrets ?? []).length > 0) lines.push(`Unreadable without the vault key: ${unreadableSecrets.join('; ')}`);
  for (const failed of boxSettings.failed) lines.push(`Not applied: ${failed}`);
  return lines.map(plain);
}

/** What a person types, or what is piped in: the first line is the password then. */
class Input {
  #isTerminal = process.stdin.isTTY === true;

  /** The password that is piped in; undefined at a terminal, and when nothing is. @returns {Promise<string | undefined>} */
  async piped() {
    if (this.#isTerminal) return undefined;
    let text = '';
    for await (const piece of process.stdin.setEncoding('utf8')) {
      text += piece;
      if (text.includes('\n') || text.length > PASSWORD_MAX_CHARACTERS) break;
    }
    return text.split('\n')[0]?.slice(0, PASSWORD_MAX_CHARACTERS) || undefined;
  }

  /** @param {string} question */
  async line(question) {
    if (!this.#isTerminal) throw new Stop('Nobody is here to confirm: say --confirm NAME, with the name of this appliance.', 64);
    return await this.#ask(question, process.stdout);
  }

  /** What is typed is not shown. @param {string} question */
  async hidden(question) {
    if (!this.#isTerminal) throw new Stop('The backup has a password: pipe it in, as the first line of standard input.', 64);
    process.stdout.write(question);
    process.stdin.setRawMode(true);
    try {
      return await typed();
    } finally {
      process.stdin.setRawMode(false);
      process.stdout.write('\n');
    }
  }

  close() {
    process.stdin.pause();
    process.stdin.unref?.();
  }

  /** @param {string} question  @param {NodeJS.WriteStream} output */
  async #ask(question, output) {
    const lines = createInterface({ input: process.stdin, output });
    lines.setPrompt(question);
    lines.prompt();
    const [answer] = await once(lines, 'line');
    lines.close();
    return String(answer).trim();
  }
}

/** Reads keys up to Enter, in raw mode. @returns {Promise<string>} */
async function typed() {
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8'))
    for (const key of String(chunk)) {
      if (key === '\r' || key === '\n') return text;
      if (key === '\u0003') throw new Stop('Cancelled; nothing was changed.');
      text = key === '\u007f' || key === '\b' ? text.slice(0, -1) : text + key;
      if (text.length > PASSWORD_MAX_CHARACTERS) throw new Stop('No password is so long.', 64);
    }
  return text;
}
