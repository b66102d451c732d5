/** Secrets taken out of text that leaves the appliance. Nothing of ours writes any into a log: this is for what others put there, and for mistakes. */

const CENSORED = '[secret]';
const NAMES =
  'pass(?:word|phrase|wd)?|secret|token|ticket|cookie|set-cookie|authorization|private[_-]?key|api[_-]?key|client[_-]?key(?:pem)?|psk|pre[_-]?shared[_-]?key|credential|csrf|code|key|pin|otp|totp';

const RULES: readonly [pattern: RegExp, replacement: string][] = [
  // Keys in PEM, also with the line ends of JSON, also cut.
  [/-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$)/g, CENSORED],
  [/AGE-SECRET-KEY-1[0-9A-Z]+/gi, CENSORED],
  // JSON, also JSON within a JSON text.
  [
    new RegExp(`(\\\\*"[\\w.-]*(?:${NAMES})\\\\*"\\s*:\\s*)\\\\*"(?:[^"\\\\]|\\\\(?!"[,}\\]\\s])[\\s\\S])*?\\\\*"`, 'gi'),
    `$1"${CENSORED}"`,
  ],
  // name=value and name: value, in addresses, headers and messages.
  [
    new RegExp(`\\b((?:[\\w-]*[_-])?(?:${NAMES}))(\\s*[=:]\\s*)(?:(?:Bearer|Basic)\\s+)?[^\\s"'&,;}\\]]+`, 'gi'),
    `$1$2${CENSORED}`,
  ],
  [/\b(Bearer|Basic)\s+[A-Za-z0-9+/=._~-]+/gi, `$1 ${CENSORED}`],
  [/(__(?:Host|Secure)-[\w-]+=)[^;\s"\\]+/g, `$1${CENSORED}`],
  [/(:\/\/[^\s/:@"]+:)[^\s/@"]+@/g, `$1${CENSORED}@`],
  // What looks like chance: keys, tickets, tokens in Base64. Hashes in hexadecimal stay.
  [
    /(?<![\w+/=-])(?=[\w+/-]*[G-Zg-z])(?=[\w+/-]*\d)(?=[\w+/-]*[A-Z])(?=[\w+/-]*[a-z])[A-Za-z0-9+/_-]{32,}={0,2}/g,
    '[long value]',
  ],
];

/** `text` without what looks like a secret. */
export function redacted(text: string): string {
  return RULES.reduce((clean, [pattern, replacement]) => clean.replace(pattern, replacement), text);
}

/** `value` with these of its fields alone; for configuration, of which only what is known to be harmless leaves the appliance. */
export function only<T extends object, K extends keyof T>(value: T, ...names: K[]): Pick<T, K> {
  return Object.fromEntries(names.map((name) => [name, value[name]])) as Pick<T, K>;
}
