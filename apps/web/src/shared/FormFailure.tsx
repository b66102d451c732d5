import { Alert } from '@mantine/core';
import { FailureText } from './FailureText.tsx';
import { ApiError } from './api-client.ts';
import { errorText } from './error-text.ts';

/** Why a form was refused, read aloud when it appears; nothing without an error. `texts`: by code, what this form says in other words. */
export function FormFailure({ error, texts = {} }: { error: unknown; texts?: Record<string, string> }) {
  if (error === null || error === undefined) return null;
  return (
    <Alert color="red" role="alert" py="xs" px="sm">
      <FailureText error={error} text={(error instanceof ApiError && texts[error.code]) || errorText(error)} />
    </Alert>
  );
}
