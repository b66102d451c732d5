import { randomInt } from 'node:crypto';

/** Without 0, O, 1, I, L and U: easy to read aloud, and no words. */
const ALPHABET = '23456789ABCDEFGHJKMNPQRSTVWXYZ';
const GROUPS = 5;
const GROUP_CHARACTERS = 4;
/** log2(30^20) = 98. */
export const ONE_TIME_PASSWORD_BITS = Math.floor(GROUPS * GROUP_CHARACTERS * Math.log2(ALPHABET.length));

/** Makes a password such as `7KQM-2X9B-...`, to be read from a screen and typed once. */
export function newOneTimePassword(): string {
  const group = () => Array.from({ length: GROUP_CHARACTERS }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
  return Array.from({ length: GROUPS }, group).join('-');
}

/**
 * A one-time password as it was made, from how somebody typed it: lower case, spaces and missing or other dashes do not matter. Other characters stay,
 * so that what does not fit still does not.
 */
export function asMade(typed: string): string {
  const characters = typed.replace(/[\s\p{Dash_Punctuation}]/gu, '').toUpperCase();
  return (characters.match(new RegExp(`.{1,${GROUP_CHARACTERS}}`, 'gsu')) ?? []).join('-');
}
