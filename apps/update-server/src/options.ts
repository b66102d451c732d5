/** The command line of the update server: words first, then options. */
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { z, type ZodType } from 'zod';
import { AppError } from '@bascule/errors/app-error.ts';
import { language } from '@bascule/protocol/api/common.ts';
import { packageKind, packageVersion } from '@bascule/protocol/package-manifest.ts';
import { line, sha256Hex } from '@bascule/protocol/text.ts';

export const USAGE = `npm run update-server -- COMMAND [OPTIONS]

  serve --repository DIR --state DIR --port N
      [--listen ADDR]              address to listen on, numeric (default 127.0.0.1: this machine only)
      [--name URL]                 the address people and appliances use, such as https://updates.example.org
      [--tls-cert FILE --tls-key FILE]
      [--online-keys DIR]          folder with snapshot.pem and timestamp.pem: renews their metadata in time
      [--registration open|closed] whether an appliance that asks registers itself (default closed)
      [--scheduled-only]           releases without a schedule are offered to nobody
      [--offer-once]               what an appliance has downloaded is not offered to it again

  appliance add --state DIR --name NAME --key BASE64 [--ring RING] [--holder NAME] [--contact ADDRESS]
      [--language en|de|nl|it] [--maintained-until DATE]
  appliance change NAME --state DIR [options of add, but --key; --name renames; an empty text removes]
  appliance list --state DIR
  appliance show NAME --state DIR
  appliance remove NAME --state DIR

  schedule add --state DIR --package base|site|licence --version V (--appliance NAME | --ring RING | --all) --from DATE
  schedule remove --state DIR --package base|site|licence --version V (--appliance NAME | --ring RING | --all)
  schedule list --state DIR

  ledger --state DIR [--appliance NAME] [--limit N]      who downloaded what, and when
  ledger forget --state DIR --appliance NAME --target T  the appliance may download it again (with --offer-once)

  mail set --state DIR --host HOST --from ADDRESS --to ADDRESS [--port N] [--security tls|starttls|none]
      [--account NAME --password-file FILE] [--pin SHA256]
  mail show --state DIR
  mail test --state DIR
  mail off --state DIR

DATE is like 2026-12-31 (its first moment in UTC) or 2026-12-31T18:00:00Z.`;

const TEXT_OPTIONS = [
  'repository',
  'state',
  'port',
  'listen',
  'name',
  'tls-cert',
  'tls-key',
  'online-keys',
  'registration',
  'key',
  'ring',
  'holder',
  'contact',
  'language',
  'maintained-until',
  'package',
  'version',
  'appliance',
  'from',
  'limit',
  'target',
  'host',
  'to',
  'security',
  'account',
  'password-file',
  'pin',
] as const;
const SWITCHES = ['scheduled-only', 'offer-once', 'all', 'help'] as const;
type TextOption = (typeof TEXT_OPTIONS)[number];

/** What was typed. */
export interface CommandLine {
  words: string[];
  switches: Set<(typeof SWITCHES)[number]>;
  /** The value of an option that may be absent, checked. Throws USAGE_WRONG naming the option. */
  optional<T>(option: TextOption, schema: ZodType<T>): T | undefined;
  /** The value of an option that must be there. */
  required<T>(option: TextOption, schema: ZodType<T>): T;
}

/** Reads the arguments. Throws USAGE_WRONG. */
export function readCommandLine(args: string[]): CommandLine {
  const { values, positionals } = parse(args);
  const switches = new Set(SWITCHES.filter((name) => values[name] === true));
  const optional = <T>(option: TextOption, schema: ZodType<T>): T | undefined => {
    const value = values[option];
    if (typeof value !== 'string') return undefined;
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    throw wrong(`--${option} ${value}: ${parsed.error.issues[0]?.message ?? 'is wrong'}`);
  };
  return {
    words: positionals,
    switches,
    optional,
    required(option, schema) {
      const value = optional(option, schema);
      if (value === undefined) throw wrong(`--${option} is missing`);
      return value;
    },
  };
}

function parse(args: string[]): { values: Record<string, string | boolean | undefined>; positionals: string[] } {
  const options = Object.fromEntries([
    ...TEXT_OPTIONS.map((name) => [name, { type: 'string' as const }]),
    ...SWITCHES.map((name) => [name, { type: 'boolean' as const }]),
  ]) as Record<string, { type: 'string' | 'boolean' }>;
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
    return { values: values as Record<string, string | boolean | undefined>, positionals };
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error));
  }
}

/** A wrong command line, with where to read how it goes. */
export function wrong(what: string): AppError {
  return new AppError('invalid', 'USAGE_WRONG', `${what}. See: npm run update-server -- --help`);
}

/** A day or an instant, as milliseconds. */
const date = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?Z)?$/, 'write it like 2026-12-31 or 2026-12-31T18:00:00Z')
  .transform((text) => Date.parse(text))
  .refine((ms) => Number.isFinite(ms), 'is no day');

/** How each option is checked. */
export const check = {
  folder: z
    .string()
    .min(1)
    .transform((path) => resolve(path)),
  file: z
    .string()
    .min(1)
    .transform((path) => resolve(path)),
  port: z.coerce.number().int().min(0).max(65_535),
  address: z.string().refine((text) => isIP(text) !== 0, 'give a numeric address, such as 127.0.0.1 or 0.0.0.0'),
  url: z.url({ protocol: /^https?$/ }).max(300),
  registration: z.enum(['open', 'closed']),
  name: line(200),
  /** A word for a group of appliances; empty for none. */
  ring: z.string().regex(/^[A-Za-z0-9._-]{0,60}$/, 'has letters, digits, dots, hyphens and underscores only'),
  holder: z.union([z.literal(''), line(200)]),
  contact: z.union([z.literal(''), z.email()]),
  email: z.email(),
  language,
  /** Empty: without an end. */
  maintainedUntil: z.union([z.literal('').transform(() => null), date]),
  date,
  kind: packageKind,
  version: packageVersion,
  publicKey: z.string().min(1).max(200),
  limit: z.coerce.number().int().min(1).max(100_000),
  target: line(200),
  host: line(253),
  security: z.enum(['tls', 'starttls', 'none']),
  sha256: sha256Hex,
};
