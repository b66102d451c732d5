import { useEffect, useState } from 'react';

const TICK_MS = 1_000;

/** The appliance's time, ticking by the second between two answers: what it last said, plus what has passed here since. */
export function useTickingNow(nowMs: number): number {
  const [heard, setHeard] = useState({ nowMs, atMs: performance.now() });
  const [, setTick] = useState(0);
  if (heard.nowMs !== nowMs) setHeard({ nowMs, atMs: performance.now() });
  useEffect(() => {
    const timer = setInterval(() => setTick((tick) => tick + 1), TICK_MS);
    return () => clearInterval(timer);
  }, []);
  return nowMs + (performance.now() - heard.atMs);
}
