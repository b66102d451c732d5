import { PASSWORD_MIN_CHARACTERS } from '@bascule/protocol/api/auth.ts';

/** Which of the visible rules a new password keeps; the server checks them again. Length counts as `string.length`, as the server does. */
export function passwordRules(next: string, repeated: string): { longEnough: boolean; same: boolean } {
  return { longEnough: next.length >= PASSWORD_MIN_CHARACTERS, same: next !== '' && next === repeated };
}
