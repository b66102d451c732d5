/** What a session's status bar says, from what is known about it. Pure. */
import type { EndReason } from '@bascule/protocol/end-reason.ts';

export type ShellPhase = 'connecting' | 'live' | 'reconnecting' | 'client-away' | 'paused' | 'ended' | 'replaced';

/** Typing that is not confirmed for this long on a live link is no longer called live. */
export const FAR_SIDE_SILENT_MS = 2_000;

export interface ShellFacts {
  /** Whether the viewer link is open and welcomed. */
  linked: boolean;
  /** Whether it ever was: before that it is no re-connecting. */
  wasLinked: boolean;
  agentConnected: boolean;
  /** The recording cannot be written. */
  paused: boolean;
  /** A newer link with this page's identity took over (wire 4.10). */
  replaced: boolean;
  ended: { reason: EndReason | undefined; exitCode: number | null } | undefined;
}

export const NOT_YET: ShellFacts = {
  linked: false,
  wasLinked: false,
  agentConnected: true,
  paused: false,
  replaced: false,
  ended: undefined,
};

/** The one word for `facts`; what outranks what: the end, then the nearest break on the way to the far machine. */
export function phaseOf(facts: ShellFacts): ShellPhase {
  if (facts.ended) return 'ended';
  if (facts.replaced) return 'replaced';
  if (!facts.linked) return facts.wasLinked ? 'reconnecting' : 'connecting';
  if (facts.paused) return 'paused';
  return facts.agentConnected ? 'live' : 'client-away';
}

/** The word shown for `phase` after nothing typed was confirmed for `waitedMs` (undefined: nothing waits). */
export function shownPhase(phase: ShellPhase, waitedMs: number | undefined): ShellPhase | 'unconfirmed' {
  return phase === 'live' && waitedMs !== undefined && waitedMs >= FAR_SIDE_SILENT_MS ? 'unconfirmed' : phase;
}
