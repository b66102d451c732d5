import { z } from 'zod';
import { idPattern, type IdKind } from '@bascule/core/ids.ts';

/** An id of `kind`; another kind's id fails here. */
export const id = (kind: IdKind) => z.string().regex(idPattern(kind));

/** Control characters, and those that turn the direction of what stands beside them: with these one name can look like another. */
const UNSEEN = /[\p{Cc}\p{Bidi_Control}]/gu;
const SEEN_ONLY = /^[^\p{Cc}\p{Bidi_Control}]*$/u;
const UNSEEN_REFUSED = 'must not contain control characters';

/** One line of text a person typed: trimmed, no control characters (of direction neither), at most `max` characters. */
export const line = (max: number) => z.string().trim().min(1).max(max).regex(SEEN_ONLY, UNSEEN_REFUSED);

/** As `line`, but may be empty. */
export const optionalLine = (max: number) => z.string().trim().max(max).regex(SEEN_ONLY, UNSEEN_REFUSED);

/** What programs report about themselves (host names, OS names): cut at `max`, control characters (of direction too) replaced, never refused. */
export const reported = (max: number) => z.string().transform((text) => text.replace(UNSEEN, '\u{FFFD}').slice(0, max));

/** An instant: milliseconds since the epoch, UTC. */
export const instantMs = z.number().int().nonnegative();
/** A byte offset or count; beyond 2^53 no stream of ours gets. */
export const byteCount = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);
export const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/);
export const terminalSize = z.object({ cols: z.number().int().min(2).max(1000), rows: z.number().int().min(1).max(500) });
export type TerminalSize = z.infer<typeof terminalSize>;
