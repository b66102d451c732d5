/** Secrets taken out of text that leaves the appliance. Nothing of ours writes any into a log: this is for what others put there, and for mistakes. */
import { setImmediate as nextTurn } from 'node:timers/promises';

const CENSORED = '[secret]';
const NAMES =
  'pass(?:word|phrase|wd)?|secret|token|ticket|cookie|authorization|private[_-]?key|api[_-]?key|key(?:pem)?|psk|pre[_-]?shared[_-]?key|credentials?|csrf|otp|totp';
/** The name of a field that holds a secret, by its end: `clientSecret`, `api_key`. */
const SECRET_NAME = new RegExp(`(?:${NAMES}|^code|^pin)$`, 'i');
/** Codes of errors and of the audit, which are what a reader looks for. */
const CODE = /^[A-Z][A-Z0-9_]*$/;
const DEPTH_MAX = 20;
/** Of one line or one string of JSON; what is beyond it is left out, as the rules look at every piece of it several times. */
export const STRING_MAX_CHARACTERS = 8 * 1024;
const WORD_MAX_CHARACTERS = 200;
/** A longer line is not taken for JSON. */
const LINE_MAX_CHARACTERS = 256 * 1024;
/** So much is looked at before others have their turn: base is the front door, too. */
const CHARACTERS_PER_TURN = 64 * 1024;

const PEM_KEY = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$)/g;
// No pattern tries a piece of text from each of its places to its end: prefixes are bounded, or begin where a word does.
const RULES: readonly [pattern: RegExp, replacement: string][] = [
  // Also with the line ends of JSON, also cut.
  [PEM_KEY, CENSORED],
  [/AGE-SECRET-KEY-1[0-9A-Z]+/gi, CENSORED],
  // A piece of JSON in a text.
  [new RegExp(String.raw`("[\w.-]*(?:${NAMES})"\s*:\s*)"(?:[^"\\]|\\[\s\S])*(?:"|$)`, 'gi'), `$1"${CENSORED}"`],
  // The same, quoted in another text.
  [new RegExp(String.raw`((?<!\\)\\+"[\w.-]*(?:${NAMES})\\+"\s*:\s*)(\\+")[^"]*(?:"|$)`, 'gi'), `$1$2${CENSORED}$2`],
  // name=value and name: value, in addresses, headers and messages.
  [
    new RegExp(
      String.raw`(?<![A-Za-z0-9])(${NAMES})(\s*[=:]\s*)(?:(?:Bearer|Basic)\s+)?(?:"[^"]*"|'[^']*'|[^\s"'&,;}\]]+)`,
      'gi',
    ),
    `$1$2${CENSORED}`,
  ],
  [/\b(Bearer|Basic)\s+[A-Za-z0-9+/=._~-]+/gi, `$1 ${CENSORED}`],
  [/(__(?:Host|Secure)-[\w-]{1,100}=)[^;\s"\\]+/g, `$1${CENSORED}`],
  [/(:\/\/[^\s/:@"]+:)[^\s/@"]+@/g, `$1${CENSORED}@`],
  // What looks like chance: keys, tickets, tokens in Base64. Hashes in hexadecimal stay.
  [
    /(?<![\w+/=-])(?=[\w+/-]*[G-Zg-z])(?=[\w+/-]*\d)(?=[\w+/-]*[A-Z])(?=[\w+/-]*[a-z])[A-Za-z0-9+/_-]{32,}={0,2}/g,
    '[long value]',
  ],
];

/** `text` without what looks like a secret. Lines of JSON stay JSON. Lines and strings are cut at `STRING_MAX_CHARACTERS`; others have their turn meanwhile. */
export async function redacted(text: string): Promise<string> {
  const lines = text.replace(PEM_KEY, CENSORED).split('\n');
  // A text that is one piece of JSON over several lines.
  const whole = lines.length > 1 ? parsed(text) : undefined;
  if (whole !== undefined) return `${JSON.stringify(withoutSecrets(whole, 0), null, 2)}\n`;
  const clean: string[] = [];
  let characters = 0;
  for (const line of lines) {
    clean.push(redactedLine(line, 0));
    characters += line.length;
    if (characters < CHARACTERS_PER_TURN) continue;
    characters = 0;
    await nextTurn();
  }
  return clean.join('\n');
}

/** `value` with these of its fields alone; for configuration, of which only what is known to be harmless leaves the appliance. */
export function only<T extends object, K extends keyof T>(value: T, ...names: K[]): Pick<T, K> {
  return Object.fromEntries(names.map((name) => [name, value[name]])) as Pick<T, K>;
}

function redactedLine(line: string, depth: number): string {
  const value = line.length > LINE_MAX_CHARACTERS ? undefined : parsed(line);
  if (value !== undefined && depth < DEPTH_MAX) return JSON.stringify(withoutSecrets(value, depth + 1));
  return redactedText(line);
}

/** Strings may hold JSON themselves. Numbers and yes-or-no are no secrets, whatever they are called. */
function withoutSecrets(value: unknown, depth: number): unknown {
  if (depth > DEPTH_MAX) return CENSORED;
  if (typeof value === 'string') return value.split('\n').length > 1 ? redactedText(value) : redactedLine(value, depth);
  if (Array.isArray(value)) return value.map((each) => withoutSecrets(each, depth + 1));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => {
      const isHarmless = typeof each === 'number' || typeof each === 'boolean' || each === null;
      const isSecret = SECRET_NAME.test(name) && !isHarmless && !(typeof each === 'string' && CODE.test(each));
      return [redactedText(name), isSecret ? CENSORED : withoutSecrets(each, depth + 1)];
    }),
  );
}

/** Without the word at which it is cut: of a secret no rule would know the half. */
function cut(text: string): string {
  if (text.length <= STRING_MAX_CHARACTERS) return text;
  const wordFrom = STRING_MAX_CHARACTERS - WORD_MAX_CHARACTERS;
  return text.slice(0, wordFrom) + text.slice(wordFrom, STRING_MAX_CHARACTERS).replace(/[^\s"]+$/, '');
}

function redactedText(text: string): string {
  const looked = cut(text);
  const more = text.length - looked.length;
  const clean = RULES.reduce((before, [pattern, replacement]) => before.replace(pattern, replacement), looked);
  return more > 0 ? `${clean} [${more} more characters]` : clean;
}

/** An object or a list; undefined for anything else. */
function parsed(text: string): object | undefined {
  if (!/^\s*[[{]/.test(text)) return undefined;
  try {
    return JSON.parse(text) as object;
  } catch {
    return undefined;
  }
}
