import type { Store } from './store.ts';

const INTERVAL_MS = 60 * 60_000;

/**
 * Of a store that nobody follows: cuts off old entries of its change log each hour, as `Store.trimLog` does. What goes wrong (a full disk) is told to `failed` and tried again. Returns
 * what ends it, to be called before the store is closed.
 */
export function keepLogShort(store: Store, failed: (error: unknown) => void, intervalMs = INTERVAL_MS): () => void {
  const trim = () => store.trimLog(Number.MAX_SAFE_INTEGER).then(() => undefined, failed);
  const timer = setInterval(() => void trim(), intervalMs).unref();
  return () => clearInterval(timer);
}
