/** How many guesses of a password in bits, roughly and rather too few: an own estimate, so that no word list of a megabyte is sent along. */

/** Below these a file's password is weak, fair, good; the file can be tried without an appliance that counts failures. */
const FAIR_BITS = 36;
const GOOD_BITS = 50;
const STRONG_BITS = 64;
/** A longer password is not looked at beyond this. */
const MAX_CHARACTERS = 200;
const MIN_RUN_CHARACTERS = 3;

/** What is tried first by everybody who guesses; each costs a guesser next to nothing. */
const COMMON =
  'password passwort wachtwoord welkom welcome willkommen benvenuto ciao hallo hello admin administrator login letmein secret geheim segreto backup sicherung master monkey dragon football fussball calcio voetbal baseball superman batman sunshine princess iloveyou trustno1 shadow michael jennifer charlie summer sommer zomer estate winter spring autumn herbst test demo user root server bascule vault changeme default access office qwerty qwertz azerty asdf zxcv yxcv'
    .split(' ')
    .toSorted((a, b) => b.length - a.length);
const COMMON_BITS = 7;
const ROWS = ['abcdefghijklmnopqrstuvwxyz', '01234567890', 'qwertyuiop', 'qwertzuiop', 'asdfghjkl', 'zxcvbnm', 'yxcvbnm'];
const RUN_BITS = 5;
const YEAR_BITS = 6;
const REPEAT_BITS = 2;
/** Letters of something that can be spoken follow from one another; others do not. */
const WORD_LETTER_BITS = 2.5;
const LETTER_BITS = 4.7;
const DIGIT_BITS = 3.3;
const OTHER_BITS = 5;
const CAPITAL_BITS = 1;

export const STRENGTHS = ['weak', 'fair', 'good', 'strong'] as const;
export type Strength = (typeof STRENGTHS)[number];

/** How hard a password is to guess for somebody who has the file. */
export function strengthOf(password: string): Strength {
  const bits = guessBits(password);
  if (bits < FAIR_BITS) return 'weak';
  if (bits < GOOD_BITS) return 'fair';
  return bits < STRONG_BITS ? 'good' : 'strong';
}

/** The estimate itself, in bits. What occurs again counts once: `abcXabcX` is hardly more than `abcX`. */
export function guessBits(password: string): number {
  const seen = new Set<string>();
  let rest = password.slice(0, MAX_CHARACTERS);
  let bits = 0;
  while (rest !== '') {
    const piece = nextPiece(rest);
    const key = piece.text.toLowerCase();
    bits += seen.has(key) ? Math.min(piece.bits, 1) : piece.bits;
    seen.add(key);
    rest = rest.slice(piece.text.length);
  }
  return bits;
}

interface Piece {
  text: string;
  bits: number;
}

function nextPiece(rest: string): Piece {
  return commonAt(rest) ?? repeatAt(rest) ?? runAt(rest) ?? yearAt(rest) ?? lettersAt(rest) ?? oneAt(rest);
}

function commonAt(rest: string): Piece | undefined {
  const plain = withoutDisguise(rest);
  const word = COMMON.find((one) => plain.startsWith(one));
  if (word === undefined) return undefined;
  const text = rest.slice(0, word.length);
  return { text, bits: COMMON_BITS + (text === text.toLowerCase() ? 0 : CAPITAL_BITS) };
}

/** `P4$$w0rd` is `password`: every guesser knows. */
function withoutDisguise(text: string): string {
  const letters: Record<string, string> = {
    '4': 'a',
    '@': 'a',
    '3': 'e',
    '1': 'i',
    '!': 'i',
    '0': 'o',
    '5': 's',
    $: 's',
    '7': 't',
  };
  return text.toLowerCase().replaceAll(/[4@31!05$7]/g, (one) => letters[one] ?? one);
}

function repeatAt(rest: string): Piece | undefined {
  const text = /^(.)\1{2,}/u.exec(rest)?.[0];
  return text === undefined ? undefined : { text, bits: OTHER_BITS + REPEAT_BITS };
}

/** Neighbours in the alphabet, among the digits or on a keyboard, forwards or backwards. */
function runAt(rest: string): Piece | undefined {
  const lower = rest.toLowerCase();
  let longest = 0;
  for (const row of ROWS.flatMap((one) => [one, Array.from(one).toReversed().join('')])) {
    const from = row.indexOf(lower[0] ?? '');
    if (from === -1) continue;
    let length = 1;
    while (length < lower.length && from + length < row.length && row[from + length] === lower[length]) length += 1;
    longest = Math.max(longest, length);
  }
  return longest < MIN_RUN_CHARACTERS ? undefined : { text: rest.slice(0, longest), bits: RUN_BITS };
}

function yearAt(rest: string): Piece | undefined {
  const text = /^(?:19|20)\d\d/.exec(rest)?.[0];
  return text === undefined ? undefined : { text, bits: YEAR_BITS };
}

function lettersAt(rest: string): Piece | undefined {
  const text = /^\p{L}+/u.exec(rest)?.[0];
  if (text === undefined) return undefined;
  const whole = text.toLowerCase();
  const isSpoken = /[aeiouyäöü]/.test(whole) && !/[^aeiouyäöü]{5,}/.test(whole) && !/[aeiouyäöü]{4,}/.test(whole);
  const hasOddCapitals = /^.+\p{Lu}/u.test(text) && text !== text.toUpperCase();
  const letterBits = isSpoken && !hasOddCapitals ? WORD_LETTER_BITS : LETTER_BITS;
  const capitals = text === whole ? 0 : hasOddCapitals ? Math.min(text.length, 8) * (CAPITAL_BITS / 2) : CAPITAL_BITS;
  return { text, bits: text.length * letterBits + capitals };
}

function oneAt(rest: string): Piece {
  const text = String.fromCodePoint(rest.codePointAt(0) ?? 0);
  return { text, bits: /\d/.test(text) ? DIGIT_BITS : OTHER_BITS };
}
