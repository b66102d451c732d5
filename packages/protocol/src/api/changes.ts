/** Box interface, below `/appliance/api/changes`: a change that might cut off whoever made it is undone by itself unless it is confirmed. */
import { z } from 'zod';
import { instantMs } from '../text.ts';

/** A change that might cut off its maker is undone after this, unless somebody confirms it from a connection that came in after it. */
export const CONFIRM_WITHIN_MS = 60_000;

/** GET changes/pending; POST changes/confirm, changes/undo give it too. */
export const pendingChange = z.object({
  /** What it changes, as the page translates it: `addresses`, `routes`, `resolver`, `host-name`, `networks`, `tls` ... */
  kinds: z.array(z.string().max(40)).max(20),
  /** In a few words that need no translation: an address, a route, a version. */
  about: z.string().max(200),
  madeBy: z.string().max(100),
  undoAtMs: instantMs,
  leftMs: z.number().nonnegative(),
});
export type PendingChange = z.infer<typeof pendingChange>;
export const pendingChangeState = z.object({ pending: pendingChange.nullable() });

/** In the body of every change that might cut off its maker: they were told, and that it is undone unless it is confirmed. Without it the answer is 409 `CHANGE_MIGHT_CUT`. */
export const acceptCut = z.boolean().optional();
