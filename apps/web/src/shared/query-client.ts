import { QueryClient } from '@tanstack/react-query';
import { ApiError } from './api-client.ts';

const MAX_READ_RETRIES = 5;
const MAX_RETRY_DELAY_MS = 5_000;

/** A read is repeated only when the appliance did not answer; a refusal is final, and a change is never repeated by itself. */
export function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 10_000,
        networkMode: 'always',
        retry: (failures, error) =>
          failures < MAX_READ_RETRIES && error instanceof ApiError && (error.status === 0 || error.status >= 502),
        retryDelay: (attempt) => Math.min(500 * 2 ** attempt, MAX_RETRY_DELAY_MS),
      },
      mutations: { networkMode: 'always', retry: false },
    },
  });
}
