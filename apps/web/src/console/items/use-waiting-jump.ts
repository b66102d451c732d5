import { useEffect, useRef, useState } from 'react';
import { useJumpItem } from './use-item-pages.ts';
import { isReady, type JumpGoal, type WaitingJump } from './waiting-jump.ts';

/** While something is waited for, the item is looked at this often, also without an event. */
const LOOK_MS = 2000;
/** The site has said 'not yet' although the item looked ready: time until it is asked again. */
const ASK_AGAIN_MS = 3000;

/**
 * Keeps a jump that has to wait (B109, B110): looks at the item, and calls `jump` when it is ready. `begin` with what `waitFor` answered; `waiting` with the item as it
 * is now is for showing it. `onGivenUp`: the time was over, or the item is gone.
 */
export function useWaitingJump(jump: (item: JumpGoal) => void, onGivenUp: (waiting: WaitingJump) => void) {
  const [waiting, setWaiting] = useState<WaitingJump>();
  const { item, isGone } = useJumpItem(waiting?.item.id, LOOK_MS);
  const lastTry = useRef({ id: '', atMs: 0 });
  useEffect(() => {
    if (waiting === undefined) return undefined;
    if (isGone || Date.now() > waiting.untilMs) {
      setWaiting(undefined);
      onGivenUp(waiting);
      return undefined;
    }
    if (item === undefined || item.id !== waiting.item.id || !isReady(waiting, item)) return undefined;
    const { id, atMs } = lastTry.current;
    const afterMs = id === item.id ? Math.max(0, atMs + ASK_AGAIN_MS - Date.now()) : 0;
    const timer = setTimeout(() => {
      lastTry.current = { id: item.id, atMs: Date.now() };
      setWaiting(undefined);
      jump(waiting.item);
    }, afterMs);
    return () => clearTimeout(timer);
  }, [waiting, item, isGone, jump, onGivenUp]);
  const known = item !== undefined && item.id === waiting?.item.id ? item : undefined;
  return { waiting, known, begin: setWaiting, cancel: () => setWaiting(undefined) };
}
