import { AppError } from '@bascule/errors/app-error.ts';

/** The one answer for an unknown name, a wrong password, a wrong code, a disabled and a locked account. */
export const loginFailed = () =>
  new AppError(
    'unauthenticated',
    'ACCOUNT_LOGIN_FAILED',
    'That did not fit, or the account is locked or disabled. After several failures, wait before you try again.',
  );
export const tooManyFailures = (retryAfterSeconds: number) =>
  new AppError('limited', 'ACCOUNT_TOO_MANY_FAILURES', `Too many logins from your address failed; wait ${retryAfterSeconds} s.`, {
    retryAfterSeconds,
    params: { seconds: retryAfterSeconds },
  });
export const busy = () =>
  new AppError('limited', 'ACCOUNT_LOGIN_BUSY', 'Too many people log in at this moment; try again in a few seconds.', {
    retryAfterSeconds: 3,
  });
export const wrongPassword = (field: string) =>
  new AppError('invalid', 'ACCOUNT_PASSWORD_WRONG', 'The current password is wrong, or the account is locked.', { field });
export const passwordUnchanged = () =>
  new AppError('invalid', 'ACCOUNT_PASSWORD_UNCHANGED', 'The new password is the old one; choose another.', {
    field: 'body.next',
  });
export const passwordShort = (least: number) =>
  new AppError('invalid', 'ACCOUNT_PASSWORD_SHORT', `The password must have at least ${least} characters.`, {
    field: 'body.next',
    params: { least },
  });
export const passwordFormer = (count: number) =>
  new AppError('invalid', 'ACCOUNT_PASSWORD_FORMER', `The last ${count} passwords cannot be taken again; choose another.`, {
    field: 'body.next',
    params: { count },
  });
export const passwordIsName = () =>
  new AppError('invalid', 'ACCOUNT_PASSWORD_IS_NAME', 'The password must not hold the user name.', { field: 'body.next' });
export const wrongCode = () =>
  new AppError('invalid', 'ACCOUNT_CODE_WRONG', 'The code is wrong or was used before; wait for the next one.', {
    field: 'body.code',
  });
export const secondFactorUnreadable = () =>
  new AppError(
    'unavailable',
    'ACCOUNT_SECOND_FACTOR_UNREADABLE',
    'Your second factor cannot be checked, since the key that protects it is missing on this appliance. Ask an administrator to restore the vault key, or to reset your second factor.',
  );
export const totpAlreadySet = () =>
  new AppError('conflict', 'ACCOUNT_TOTP_SET', 'One-time codes are set up already; remove them first.');
export const totpNotBegun = () =>
  new AppError('conflict', 'ACCOUNT_TOTP_NOT_BEGUN', 'The set-up was not begun, or took too long; begin again.');
export const passkeyFailed = () =>
  new AppError(
    'unauthenticated',
    'ACCOUNT_PASSKEY_FAILED',
    'The passkey was not accepted; try again, or log in with the password.',
  );
export const passkeyRefused = () =>
  new AppError('invalid', 'ACCOUNT_PASSKEY_REFUSED', 'The passkey could not be added; begin again.', { field: 'body.response' });
export const passkeyNeedsName = () =>
  new AppError(
    'conflict',
    'ACCOUNT_PASSKEY_NEEDS_NAME',
    'Passkeys work only when the appliance is reached by a name, not by an address.',
  );
export const tooManyPasskeys = (limit: number) =>
  new AppError('conflict', 'ACCOUNT_PASSKEYS_LIMIT', `An account may have ${limit} passkeys; remove one first.`, {
    params: { limit },
  });
export const tooManyAccounts = (limit: number) =>
  new AppError('conflict', 'ACCOUNTS_LIMIT', `There may be ${limit} accounts.`, { params: { limit } });
export const tooManyChallenges = () =>
  new AppError('limited', 'ACCOUNT_CHALLENGES_LIMIT', 'Too many logins with a passkey are under way; try again in a minute.', {
    retryAfterSeconds: 60,
  });
export const nameTaken = (name: string) =>
  new AppError('conflict', 'ACCOUNT_NAME_TAKEN', `There is an account named ${name} already.`, {
    field: 'body.name',
    params: { name },
  });
export const roleNotHere = () =>
  new AppError('invalid', 'ACCOUNT_ROLE_UNKNOWN', 'Accounts of the appliance interface are always administrators.', {
    field: 'body.role',
  });
export const ownAccount = () =>
  new AppError(
    'conflict',
    'ACCOUNT_OWN',
    'You cannot do this to your own account; use My Account, or ask another administrator.',
  );
export const lastAdministrator = () =>
  new AppError('conflict', 'ACCOUNT_LAST_ADMINISTRATOR', 'This is the last active administrator; make another one first.');
export const unknownName = (name: string) => new AppError('not-found', 'ACCOUNT_UNKNOWN', `There is no user '${name}'.`);
