import { Alert } from '@mantine/core';
import { errorText } from './error-text.ts';

/** Why a form was refused, read aloud when it appears; nothing without an error. */
export function FormFailure({ error }: { error: unknown }) {
  if (error === null || error === undefined) return null;
  return (
    <Alert color="red" role="alert" py="xs" px="sm">
      {errorText(error)}
    </Alert>
  );
}
