import { AppError } from '@bascule/errors/app-error.ts';

export function groupNameTaken(name: string): AppError {
  return new AppError('conflict', 'JUMP_GROUP_NAME_TAKEN', `There is already a Jump Group named ${name}: choose another name.`, {
    field: 'body.name',
    params: { name },
  });
}

export function unknownGroup(field: string): AppError {
  return new AppError('invalid', 'JUMP_GROUP_UNKNOWN', 'That Jump Group does not exist (any more): choose another one.', {
    field,
  });
}

export function unknownMember(): AppError {
  return new AppError('invalid', 'JUMP_GROUP_MEMBER_UNKNOWN', 'One of these users does not exist (any more).', {
    field: 'body.memberIds',
  });
}

export function bulkNeedsItems(): AppError {
  return new AppError('invalid', 'JUMP_BULK_ITEMS', 'Name the Jump Clients, or the search that finds them: one of both.', {
    field: 'body.ids',
  });
}

export function wrongState(state: string): AppError {
  return new AppError('conflict', 'JUMP_CLIENT_STATE', `This Jump Client is ${state}: reload the list and choose again.`, {
    params: { state },
  });
}

export function tooManyTokens(limit: number): AppError {
  return new AppError('conflict', 'JUMP_TOKEN_LIMIT', `There are already ${limit} valid installer tokens: revoke one first.`, {
    params: { limit },
  });
}

export function notReadyYet(): AppError {
  return new AppError(
    'unavailable',
    'JUMP_INSTALLER_PREPARING',
    'The files for installing are still being prepared: try again in a minute.',
    { retryAfterSeconds: 15 },
  );
}

/** Why an enrolment is refused; strangers are told only that the token is not valid, the audit log says which of these it was. */
export class EnrolmentRefused extends Error {
  readonly reason:
    | 'unknown-token'
    | 'wrong-secret'
    | 'expired'
    | 'used-up'
    | 'revoked'
    | 'wrong-identity'
    | 'wrong-proof'
    | 'malformed-token'
    | 'wrong-key'
    | 'outdated'
    | 'early';
  /** What the client is told after all, since it has proved that it holds the token; and when it may try again (0: never). */
  readonly told: { message: string; retryAfterMs: number } | undefined;
  constructor(reason: EnrolmentRefused['reason'], told?: EnrolmentRefused['told']) {
    super(reason);
    this.reason = reason;
    this.told = told;
  }
}
