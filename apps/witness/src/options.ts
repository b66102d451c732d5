import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { AppError } from '@bascule/errors/app-error.ts';

export const USAGE = `npm run witness -- COMMAND --state DIR

  init                              makes the key of a new witness
  run [--port N] [--listen ADDR]    serves (port 7443 and every address, unless told otherwise)
  code [--hours N]                  prints a code for the appliances of one site, good for 24 hours, unless told otherwise
  status                            who holds what, and who was heard
  forget --site SITE --key SHA256   removes an appliance; not while the witness runs

The witness runs on a machine of its own: never on one of the two appliances. See docs/operator/witness.md.`;

const PORT = 7443;
const CODE_HOURS = 24;
const CODE_HOURS_MAX = 24 * 7;
export const COMMANDS = ['init', 'run', 'code', 'status', 'forget'] as const;

export interface WitnessCommand {
  command: (typeof COMMANDS)[number];
  state: string;
  port: number;
  listen: string;
  hours: number;
  site: string;
  key: string;
}

/** Reads the arguments; undefined: help is wanted. Throws USAGE_WRONG. */
export function readCommand(args: string[]): WitnessCommand | undefined {
  const { values, positionals } = parse(args);
  if (values.help === true || args.length === 0) return undefined;
  const command = COMMANDS.find((name) => name === positionals[0]);
  if (command === undefined || positionals.length > 1) throw wrong(`'${positionals.join(' ')}' is no command`);
  if (values.state === undefined || values.state === '') throw wrong('--state is missing');
  const listen = values.listen ?? '::';
  if (isIP(listen) === 0) throw wrong('--listen takes a numeric address');
  const { site = '', key = '' } = values;
  if (command === 'forget' && (site === '' || !/^[0-9a-f]{64}$/.test(key)))
    throw wrong('forget needs --site and --key, as status shows them');
  return {
    command,
    state: resolve(values.state),
    port: whole('--port', values.port, PORT, 65_535),
    listen,
    hours: whole('--hours', values.hours, CODE_HOURS, CODE_HOURS_MAX),
    site,
    key,
  };
}

function whole(option: string, text: string | undefined, usual: number, most: number): number {
  if (text === undefined) return usual;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > most || text.trim() === '')
    throw wrong(`${option} is a whole number up to ${most}`);
  return value;
}

function parse(args: string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: { state: text, port: text, listen: text, hours: text, site: text, key: text, help: { type: 'boolean' } },
    });
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error));
  }
}

function wrong(what: string): AppError {
  return new AppError('invalid', 'USAGE_WRONG', `${what}. See: npm run witness -- --help`);
}
