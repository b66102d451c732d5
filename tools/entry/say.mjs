/** What entry scripts print: plain sentences for a person, on standard error when something is wrong. */

/** Ends the script with one clear sentence. `exitCode` 64: wrong usage; 69: something outside is missing; 73: cannot write; 1: the rest. */
export class Stop extends Error {
  /** @param {string} sentence what is wrong and what to do  @param {number} [exitCode] */
  constructor(sentence, exitCode = 1) {
    super(sentence);
    this.exitCode = exitCode;
  }
}

/** @param {string} text */
export function say(text) {
  process.stdout.write(`${plain(asInstalled(text))}\n`);
}

/**
 * Commands as they are called here: an appliance that was installed as a package has no checkout, and so no npm.
 * @param {string} text  @param {NodeJS.ProcessEnv} [environment]  @returns {string}
 */
export function asInstalled(text, environment = process.env) {
  if (!environment['BASCULE_INSTALLED']) return text;
  return text
    .replaceAll('npm run appliance --', 'bascule-appliance')
    .replaceAll('npm start -- --home', '/usr/lib/bascule/start --home')
    .replaceAll('npm start', 'systemctl start bascule');
}

/**
 * Text of others (update servers, base, logs) for the terminal, often root's: it may break lines, and not steer the terminal.
 * @param {string} text  @returns {string}
 */
export function plain(text) {
  return text.replace(/[^\P{Cc}\n\t]/gu, '\u{FFFD}');
}

/**
 * Nobody reads on: `… | head` has what it wanted.
 * @param {NodeJS.ErrnoException} error
 */
function leaveQuietly(error) {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
}

/**
 * Runs an entry script's main function: a `Stop` prints its sentence and sets the exit code, anything else is our own bug and keeps its stack.
 * @param {() => Promise<number | void>} main
 */
export async function runMain(main) {
  process.stdout.on('error', leaveQuietly);
  try {
    process.exitCode = (await main()) ?? 0;
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    process.stderr.write(plain(`bascule: ${asInstalled(error.message)}\n`));
    process.exitCode = error.exitCode;
  }
}
