import i18next from 'i18next';
import { ApiError } from './api-client.ts';

/** What went wrong, in the person's language: by code, else the server's English sentence; an internal fault with its request id. */
export function errorText(error: unknown): string {
  if (!(error instanceof ApiError)) return i18next.t('errors:UNEXPECTED');
  const key = `errors:${error.code}`;
  const text = i18next.exists(key) ? i18next.t(key, error.params) : error.message;
  return error.code === 'INTERNAL' && error.requestId !== undefined ? `${text} (${error.requestId})` : text;
}
