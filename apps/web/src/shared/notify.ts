import { createElement } from 'react';
import i18next from 'i18next';
import { notifications } from '@mantine/notifications';
import { FailureText } from './FailureText.tsx';

/** How long a confirmation stays; failures stay until they are closed. */
const CONFIRMATION_MS = 5_000;

/** Says at the top that something was done. */
export function notifyDone(message: string): void {
  notifications.show({ message, color: 'green', autoClose: CONFIRMATION_MS, withBorder: true, closeButtonProps: closeButton() });
}

/** Says at the top that something failed, and why. */
export function notifyFailure(error: unknown): void {
  notifications.show({
    message: createElement(FailureText, { error }),
    color: 'red',
    autoClose: false,
    withBorder: true,
    closeButtonProps: closeButton(),
  });
}

function closeButton() {
  return { 'aria-label': i18next.t('shared:close') };
}
