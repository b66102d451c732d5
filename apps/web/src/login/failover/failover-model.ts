/** What the page Failover shows, decided from the state alone. */
import type { EstablishPreview, EstablishRequest, Exposure, FailoverState, PairAlarm } from '@bascule/protocol/api/failover.ts';

/** Which of the pages of Management > Failover is shown; each state has its own. */
export const PAGE_KINDS = [
  'none',
  'broken',
  'establishing',
  'primary',
  'primary-alone',
  'backup',
  'primary-unreachable',
  'read-only',
  'restored',
  'superseded',
  'both-primary',
  'both-backup',
  'diverged',
] as const;
export type PageKind = (typeof PAGE_KINDS)[number];
export type Tone = 'ok' | 'warn' | 'bad' | 'off';

/** Work during which there is no relationship yet to show. */
const ESTABLISHING = new Set(['establish', 'establish-again']);

/** The page that fits `state`. A conflict outranks everything: until it is fixed, no other button is safe. */
export function pageKindOf(state: FailoverState): PageKind {
  const { self, peer, peerState, broken, busy, conflict } = state;
  if (conflict !== null) return conflict.kind;
  if (busy !== null && ESTABLISHING.has(busy.what)) return 'establishing';
  if (self.role === 'read-only') return readOnlyKindOf(state);
  if (self.role === 'backup') return peerState === 'unreachable' ? 'primary-unreachable' : 'backup';
  if (self.role === 'primary' && peer !== null) return peerState === 'unreachable' ? 'primary-alone' : 'primary';
  return broken === null ? 'none' : 'broken';
}

/** Why a side is read-only; an appliance that does not say it has it in its history of roles. */
function readOnlyKindOf({ readOnly, roles, self }: FailoverState): PageKind {
  const reason = readOnly ?? roles.find(({ appliance }) => appliance === self.appliance)?.reason;
  return reason === 'restored' || reason === 'superseded' ? reason : 'read-only';
}

/** Whether the other side of a broken relationship has been split off, so that each is a site with a history of its own. */
export function isSplit({ self, peer, broken }: Pick<FailoverState, 'self' | 'peer' | 'broken'>): boolean {
  const serves = ({ role }: FailoverState['self']) => role === 'single' || role === 'primary';
  return broken !== null && peer !== null && serves(self) && serves(peer) && peer.history !== self.history;
}

/** What the two are called: by their names, and by their addresses too when two machines have one name. */
export function namesOf({ self, peer, broken }: Pick<FailoverState, 'self' | 'peer' | 'broken'>): { self: string; peer: string } {
  const there = { name: peer?.appliance ?? broken?.peer ?? '', endpoint: peer?.endpoint ?? broken?.endpoint ?? null };
  if (there.name !== self.appliance) return { self: self.appliance, peer: there.name };
  const called = (name: string, endpoint: { host: string } | null) => (endpoint === null ? name : `${name} (${endpoint.host})`);
  return { self: called(self.appliance, self.endpoint), peer: called(there.name, there.endpoint) };
}

/** How bad it is, for the mark before the headline. */
export function toneOf(kind: PageKind, state: FailoverState): Tone {
  if (kind === 'none' || kind === 'broken') return 'off';
  if (kind === 'primary' || kind === 'backup')
    return state.alarms.length > 0 || isStopped(state) || isFirstCopy(state) ? 'warn' : 'ok';
  return kind === 'establishing' || kind === 'read-only' || kind === 'primary-alone' ? 'warn' : 'bad';
}

/** Whether the backup has no whole copy yet: until then nobody can take over. */
export function isFirstCopy({ copy }: FailoverState): boolean {
  return copy !== null && copy.state !== 'following' && copy.lastCompletedAtMs === null;
}

/** Whether the backup can be heard, but does not follow: what the page of a primary says otherwise would not be so. */
export function isNotFollowed(kind: PageKind, state: FailoverState): boolean {
  return kind === 'primary' && !isFirstCopy(state) && (isStopped(state) || state.copy?.state === 'idle');
}

function isStopped({ copy }: FailoverState): boolean {
  return copy?.state === 'stopped';
}

/** What a person is recommended to do while the primary cannot be reached. */
export const RECOMMENDATIONS = ['wait-witness', 'ask-people', 'become-primary', 'wait-copy', 'automatic'] as const;
export type Recommendation = (typeof RECOMMENDATIONS)[number];
/** The witness, or clients that came here, count as evidence for this long. */
export const SEEN_LATELY_MS = 30_000;

/**
 * What to do while the primary cannot be reached from here: nothing while the witness still hears it (only the line between the two is cut), or while the
 * copy is not whole; nothing with automatic failover while the witness answers; become primary when clients have lost it, too; otherwise look at it first.
 */
export function recommendationOf(state: FailoverState, nowMs: number): Recommendation {
  const { copy, witness, settings, peerSeenBy } = state;
  if (copy?.state === 'snapshot') return 'wait-copy';
  if (isLately(peerSeenBy?.witnessAtMs, nowMs)) return 'wait-witness';
  if (settings.automatic && witness?.state === 'connected' && witness.peerInSync) return 'automatic';
  return isLately(clientsThatLostPeer(state)?.atMs, nowMs) ? 'become-primary' : 'ask-people';
}

/** Clients that came here after the other side was last heard: before that, a swap of roles may have sent them. */
export function clientsThatLostPeer({
  peerSeenBy,
  lastContactAtMs,
}: Pick<FailoverState, 'peerSeenBy' | 'lastContactAtMs'>): { count: number; atMs: number } | undefined {
  const { clientsHere: count = 0, clientsHereAtMs: atMs = null } = peerSeenBy ?? {};
  return count === 0 || atMs === null || atMs <= (lastContactAtMs ?? 0) ? undefined : { count, atMs };
}

function isLately(atMs: number | null | undefined, nowMs: number): boolean {
  return atMs !== null && atMs !== undefined && nowMs - atMs <= SEEN_LATELY_MS;
}

/** Whether anything would be lost: then it has to be accepted by name. */
export function losesAnything({ changes, sessions, recordingBytes, fileBytes }: Exposure): boolean {
  return changes > 0 || sessions > 0 || recordingBytes > 0 || fileBytes > 0;
}

/** What a person accepts when accepting `exposure`; the time since the primary was last heard grows by itself and is no part of it. */
export function acceptedKeyOf(exposure: Exposure | null): string {
  if (exposure === null) return 'unknown';
  const { changes, sessions, recordingBytes, fileBytes } = exposure;
  return [changes, sessions, recordingBytes, fileBytes].join();
}

/** What Become Primary sends as accepted: exactly the numbers that were shown. */
export function acceptedLossOf(exposure: Exposure | null): { changes: number; seconds: number } | undefined {
  return exposure === null ? undefined : { changes: exposure.changes, seconds: exposure.seconds };
}

/** Two appliances on one machine, for a trial, are told apart by their ports; the appliance itself looks closer. */
function isLoopback(name: string): boolean {
  return name === 'localhost' || name === '[::1]' || name === '::1' || name.startsWith('127.');
}

const HOST = /^[^\s/:@[\]]+$|^\[?[0-9a-f:.]+\]?$/i;
const PORT_MAX = 65_535;

/** What is wrong with the addresses, before anybody is asked: a text `failover:establish.fault.<code>` by field. */
export function addressFaults(
  request: EstablishRequest,
  sharedName: string,
): Partial<Record<'backup' | 'primary', 'host' | 'port' | 'shared' | 'same'>> {
  const faults: ReturnType<typeof addressFaults> = {};
  for (const side of ['backup', 'primary'] as const) {
    const { host, port } = request[side];
    const name = host.trim().toLowerCase();
    if (!HOST.test(name)) faults[side] = 'host';
    else if (name === sharedName.toLowerCase() && !isLoopback(name)) faults[side] = 'shared';
    else if (!Number.isInteger(port) || port < 1 || port > PORT_MAX) faults[side] = 'port';
  }
  const same = (['host', 'port'] as const).every(
    (field) => String(request.backup[field]).trim() === String(request.primary[field]).trim(),
  );
  if (same && faults.primary === undefined && faults.backup === undefined) faults.backup = 'same';
  return faults;
}

/** Whether a relationship may be established after this preview: nothing is red but what only warns. */
export function mayEstablish(preview: EstablishPreview): boolean {
  return preview.checks.every(({ outcome, blocks }) => outcome !== 'red' || blocks === false);
}

/** A number of seconds with one digit after the point, so that what changes is always the same places. */
export function formatSeconds(seconds: number, language: string): string {
  return seconds.toLocaleString(language, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
}

/** Less than this says nothing yet about how long the rest takes. */
const PROGRESS_MEASURED_FROM = 0.02;

/** How far what is under way is, in percent, and how long it still takes at the pace so far; null: not to be told. */
export function busyProgress(
  busy: NonNullable<FailoverState['busy']>,
  nowMs: number,
): { percent: number | null; leftMs: number | null } {
  const { done, total, startedAtMs } = busy;
  if (total === null || total <= 0) return { percent: null, leftMs: null };
  const share = Math.min(1, done / total);
  const leftMs = share < PROGRESS_MEASURED_FROM ? null : ((nowMs - startedAtMs) * (1 - share)) / share;
  return { percent: Math.floor(share * 100), leftMs };
}

/** While the other side cannot be reached, nothing is copied: that is no alarm of its own. */
const OF_UNREACHABLE = new Set<PairAlarm['code']>(['peer-unreachable', 'lag', 'sync-stopped']);

/** Whether the page's headline says of itself what an alarm says. */
export function isSaidBy(kind: PageKind, alarm: PairAlarm['code']): boolean {
  if (OF_UNREACHABLE.has(alarm)) return kind === 'primary-unreachable' || kind === 'primary-alone';
  return alarm === 'diverged' && (kind === 'both-primary' || kind === 'both-backup' || kind === 'diverged');
}
