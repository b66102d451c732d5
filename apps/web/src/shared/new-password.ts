/** A new password as it stands in its two fields. */
export interface NewPassword {
  password: string;
  repeated: string;
}
export const NO_PASSWORD: NewPassword = { password: '', repeated: '' };

export type PasswordProblem = 'missing' | 'short' | 'different';
export interface PasswordRules {
  isRequired: boolean;
  /** Counted as the API counts: `string.length`. */
  minCharacters: number;
}

/** What keeps a new password from being sent; undefined when nothing does, also for none where none is needed. */
export function passwordProblem(
  { password, repeated }: NewPassword,
  { isRequired, minCharacters }: PasswordRules,
): PasswordProblem | undefined {
  if (password === '' && repeated === '') return isRequired ? 'missing' : undefined;
  if (password.length < minCharacters) return 'short';
  return password === repeated ? undefined : 'different';
}
