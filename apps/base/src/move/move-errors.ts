import { AppError } from '@bascule/errors/app-error.ts';

export function codeUnreadable(): AppError {
  return new AppError('invalid', 'MOVE_CODE_UNREADABLE', 'This is no transfer code: copy it whole, from bt1. to its end.', {
    field: 'body.code',
  });
}

/** The same for a wrong, an old and a used code: a stranger learns nothing. */
export function codeRefused(): AppError {
  return new AppError('not-found', 'NOT_FOUND', 'There is nothing here.');
}

export function oldRefusedCode(): AppError {
  return new AppError(
    'conflict',
    'MOVE_CODE_REFUSED',
    'The old appliance does not take this code: it is older than a day, was taken back, or serves another move. Make a new one there.',
  );
}

export function oldUnreachable(reason: string): AppError {
  return new AppError(
    'unavailable',
    'MOVE_OLD_UNREACHABLE',
    `The old appliance cannot be reached from here (${reason}). Open its TLS port for this box, or make a code with an address that leads there.`,
    { params: { reason } },
  );
}

export function oldIsAnother(): AppError {
  return new AppError(
    'conflict',
    'MOVE_OLD_IS_ANOTHER',
    'Whoever answers at that address is not the appliance that made the code: something stands between the two, or its certificate has changed since. Make a new code.',
  );
}

export function oldSaidNo(code: string, message: string): AppError {
  return new AppError('conflict', code, `The old appliance: ${message}`);
}

export function checksFailed(text: string): AppError {
  return new AppError('conflict', 'MOVE_CHECKS_FAILED', text);
}

export function moveRunning(): AppError {
  return new AppError('conflict', 'MOVE_RUNNING', 'A move to this box is under way: finish it or cancel it first.');
}

export function notNow(what: string): AppError {
  return new AppError(
    'conflict',
    'MOVE_NOT_NOW',
    `The move is at another step by now: ${what} is not possible. Look at the page again.`,
  );
}
