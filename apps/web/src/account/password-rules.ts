import { PASSWORD_MIN_CHARACTERS } from '@bascule/protocol/api/auth.ts';

/** Shorter names may occur in a password, as on the server: they occur by chance. */
const MIN_NAME_CHARACTERS = 3;

/** Which of the visible rules a new password keeps; the server checks them again. Length counts as `string.length`, as the server does. */
export function passwordRules(
  name: string,
  next: string,
  repeated: string,
  minCharacters: number = PASSWORD_MIN_CHARACTERS,
): { longEnough: boolean; withoutName: boolean; same: boolean } {
  const holdsName = name.length >= MIN_NAME_CHARACTERS && next.toLowerCase().includes(name.toLowerCase());
  return {
    longEnough: next.length >= minCharacters,
    withoutName: next !== '' && !holdsName,
    same: next !== '' && next === repeated,
  };
}
