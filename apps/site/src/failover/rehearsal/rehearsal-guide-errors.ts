import { AppError } from '@bascule/errors/app-error.ts';

export function rehearsalRunning(): AppError {
  return new AppError(
    'conflict',
    'REHEARSAL_RUNNING',
    'A test of the standby is under way already: end it first, or wait until it ends.',
  );
}

/** Somebody was chosen who cannot log in. */
export function rehearsalUserUnknown(): AppError {
  return new AppError('invalid', 'REHEARSAL_USER_UNKNOWN', 'One of the people has no account that may log in: choose again.', {
    field: 'body.users',
  });
}

/** Clients were chosen that cannot hold a second link now. */
export function rehearsalClientsUnable(names: string[]): AppError {
  const clients = names.join(', ').slice(0, 300);
  return new AppError(
    'invalid',
    'REHEARSAL_CLIENTS_UNABLE',
    `Not connected, or too old for a test: ${clients}. Choose others, or upgrade them first.`,
    { field: 'body.clients', params: { clients } },
  );
}
