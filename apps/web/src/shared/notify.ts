import { notifications } from '@mantine/notifications';
import { errorText } from './error-text.ts';

/** How long a confirmation stays; failures stay until they are closed. */
const CONFIRMATION_MS = 5_000;

/** Says in a corner that something was done. */
export function notifyDone(message: string): void {
  notifications.show({ message, color: 'green', autoClose: CONFIRMATION_MS, withBorder: true });
}

/** Says in a corner that something failed, and why. */
export function notifyFailure(error: unknown): void {
  notifications.show({ message: errorText(error), color: 'red', autoClose: false, withBorder: true });
}
