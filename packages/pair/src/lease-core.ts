/**
 * The core of one appliance: asks for the lease, keeps it, gives it up, takes it over. Pure: (state, input) → (state, effects); time comes in with each input. The rules are
 * those of architecture 8; docs/decisions/0178 to 0182 say why. The simulator beside it (test/simulation) runs the same code.
 */
import type { LeaseEffect, LeaseInput, LeaseRequest, LeaseState, LeaseStep, WitnessRecord } from './lease-state.ts';
import { grantorSpanMs, holderSpanMs, RELEASE_REST_MS } from './lease-terms.ts';

/** A standby asks again this long after the moment at which the lease should be free. */
const AFTER_END_MS = 10;

/**
 * Until when this side may write and answer; 0: not at all; Infinity: until further notice, since nobody else can get the lease. A peer's promise counts only while what
 * is on record about the peer is what main acts upon.
 */
export function heldUntilMs(state: LeaseState): number {
  if (state.role !== 'primary') return 0;
  if (state.isAlone) return Infinity;
  const isRecordTrue = state.wish.inSync || state.recordedVersion === state.wish.version;
  return Math.max(state.grantedUntilMs, isRecordTrue ? state.promisedUntilMs : 0);
}

/** When a tick has something to do at the latest; the shell may tick earlier and more often. */
export function dueMs(state: LeaseState): number {
  let due = state.role === 'primary' ? state.nextPeerAskMs : Infinity;
  if (state.outstanding) due = Math.min(due, state.outstanding.sentAtMs + state.terms.answerLimitMs);
  else if (state.link !== 'down') due = Math.min(due, state.nextSendMs);
  return state.claim?.untilMs === undefined ? due : Math.min(due, state.claim.untilMs);
}

/** One step. Never throws; an input that does not fit the state changes nothing. */
export function stepLease(state: LeaseState, input: LeaseInput): LeaseStep {
  const { nowMs } = input;
  switch (input.kind) {
    case 'tick':
      return tick({ ...state, aliveAtMs: input.aliveAtMs, position: input.position }, nowMs);
    case 'link-up':
      return tick({ ...state, link: 'greeting', outstanding: undefined, nextSendMs: nowMs }, nowMs);
    case 'link-down':
      return linkLost(state);
    case 'answer':
      return answered(state, input);
    case 'role':
      return roleTaken(state, input);
    case 'wish':
      return tick({ ...state, wish: { inSync: input.inSync, version: input.version }, nextSendMs: nowMs }, nowMs);
    case 'ready':
      return only({ ...state, isReady: input.isReady });
    case 'signed':
      return signed(state, input);
    case 'claim':
      return claimed(state, input);
    case 'release':
      return released(state, input);
    case 'lease-length':
      return tick({ ...state, leaseMs: input.leaseMs, nextSendMs: nowMs }, nowMs);
    case 'peer-asks':
      return peerAsked(state, input);
    case 'peer-answers':
      return peerAnswered(state, input);
  }
}

type Input<K extends LeaseInput['kind']> = Extract<LeaseInput, { kind: K }>;

function only(state: LeaseState, ...effects: LeaseEffect[]): LeaseStep {
  return { state, effects };
}

function isAlive(state: LeaseState, nowMs: number): boolean {
  return nowMs - state.aliveAtMs <= state.terms.aliveLimitMs;
}

function tick(state: LeaseState, nowMs: number): LeaseStep {
  const { outstanding, terms } = state;
  if (outstanding && nowMs - outstanding.sentAtMs >= terms.answerLimitMs) return linkLost(state, { kind: 'drop-link' });
  const until = state.claim?.untilMs;
  if (until !== undefined && nowMs >= until) {
    return only({ ...state, claim: undefined }, { kind: 'claim-failed', outcome: claimOutcome(state) });
  }
  if (!isAlive(state, nowMs)) return only(state);
  const asked = state.role === 'primary' ? askPeer(state, nowMs) : only(state);
  const sent =
    outstanding === undefined && state.link !== 'down' && nowMs >= state.nextSendMs
      ? send(asked.state, nowMs)
      : only(asked.state);
  return { state: sent.state, effects: [...asked.effects, ...sent.effects] };
}

/** Whether the last request arrived is not known; a lease that was being given up is over all the same. */
function linkLost(state: LeaseState, ...effects: LeaseEffect[]): LeaseStep {
  const isReleasing = state.outstanding?.request.kind === 'release';
  return only(
    { ...state, link: 'down', outstanding: undefined },
    ...effects,
    ...(isReleasing ? [{ kind: 'released' } as const] : []),
  );
}

function claimOutcome({ link, record }: LeaseState): 'no-witness' | 'held-by-other' | 'out-of-sync' {
  if (link !== 'ready') return 'no-witness';
  return record && record.leftMs > 0 ? 'held-by-other' : 'out-of-sync';
}

/** Sends what is due: on a new link a question, so that nothing of ours that an older link still carries can arrive after it. */
function send(state: LeaseState, nowMs: number): LeaseStep {
  if (state.link === 'greeting' || state.role === 'none') return ask(state, nowMs);
  if (state.role === 'primary') return renew(state, nowMs);
  return state.claim?.statement === undefined ? ask(state, nowMs) : sendClaim(state, nowMs);
}

function sendRequest(state: LeaseState, nowMs: number, request: LeaseRequest): LeaseStep {
  const next: LeaseState = {
    ...state,
    nonce: request.nonce,
    outstanding: { request, sentAtMs: nowMs, version: state.wish.version },
    nextSendMs: nowMs + state.terms.renewIntervalMs,
  };
  return only(next, { kind: 'send', request });
}

function ask(state: LeaseState, nowMs: number): LeaseStep {
  return sendRequest(state, nowMs, { kind: 'ask', nonce: state.nonce + 1, site: state.site });
}

function renew(state: LeaseState, nowMs: number): LeaseStep {
  const { statement, leaseMs } = state;
  if (statement === undefined) return ask(state, nowMs);
  // What holds for ever is given up by the word 'in sync': a lease that has a good while left has to be there first.
  const peerInSync = state.wish.inSync && (!state.isAlone || state.grantedUntilMs - nowMs >= leaseMs / 2);
  const before = peerInSync ? { ...state, isAlone: false, recordedVersion: -1 } : state;
  const sent = sendLease(before, nowMs, { epoch: state.epoch, statement, leaseMs, peerInSync, forcedBy: wordOf(state) });
  // Held back for want of a lease: said as soon as this is answered.
  return peerInSync === state.wish.inSync ? sent : only({ ...sent.state, nextSendMs: nowMs }, ...sent.effects);
}

/** Whose word overrules what is on record. A record of this very epoch is overruled by nobody: a machine that was set back would go on with less than it had. */
function wordOf({ enabledBy, decidedBy, record, epoch }: LeaseState): string | undefined {
  return enabledBy ?? (record !== undefined && record.epoch < epoch ? decidedBy : undefined);
}

function sendClaim(state: LeaseState, nowMs: number): LeaseStep {
  const { claim, terms } = state;
  if (claim?.statement === undefined) return only(state);
  const { epoch, statement, forcedBy } = claim;
  return sendLease(state, nowMs, { epoch, statement, leaseMs: terms.leaseMs, peerInSync: false, forcedBy });
}

type LeaseDetails = Pick<Extract<LeaseRequest, { kind: 'lease' }>, 'epoch' | 'statement' | 'leaseMs' | 'peerInSync' | 'forcedBy'>;

function sendLease(state: LeaseState, nowMs: number, { forcedBy, ...details }: LeaseDetails): LeaseStep {
  const { site, history, peer, position } = state;
  const { seq, peerSeq } = position;
  const by = forcedBy === undefined ? {} : { forcedBy };
  return sendRequest(state, nowMs, {
    kind: 'lease',
    nonce: state.nonce + 1,
    site,
    history,
    peer,
    seq,
    peerSeq,
    ...details,
    ...by,
  });
}

function answered(state: LeaseState, { answer, nowMs }: Input<'answer'>): LeaseStep {
  const { outstanding } = state;
  if (outstanding === undefined || outstanding.request.nonce !== answer.nonce) return only(state);
  const isRefused = answer.outcome === 'not-enrolled' || answer.outcome === 'malformed';
  const heard: LeaseState = {
    ...state,
    outstanding: undefined,
    link: 'ready',
    isRefused,
    heardAtMs: nowMs,
    record: isRefused ? state.record : (answer.record ?? undefined),
  };
  if (isRefused || answer.record === null) return firstOrRefused(heard, outstanding.request, nowMs, isRefused);
  if (outstanding.request.kind === 'release') return only(heard, { kind: 'released' });
  const { record } = answer;
  if (state.role === 'primary') return answeredPrimary(heard, { outstanding, outcome: answer.outcome, record, nowMs });
  if (state.role === 'standby') return answeredStandby(heard, { outstanding, outcome: answer.outcome, record, nowMs });
  return only(heard);
}

/** Nobody of the site has had the lease yet: a primary asks for it at once, and only a person's claim makes a standby the first. */
function firstOrRefused(state: LeaseState, request: LeaseRequest, nowMs: number, isRefused: boolean): LeaseStep {
  const released: LeaseEffect[] = request.kind === 'release' ? [{ kind: 'released' }] : [];
  if (isRefused) return only(state, ...released);
  const step = state.role === 'standby' ? considerClaim(state, undefined, nowMs) : tick({ ...state, nextSendMs: nowMs }, nowMs);
  return { state: step.state, effects: [...released, ...step.effects] };
}

interface Answer {
  outstanding: NonNullable<LeaseState['outstanding']>;
  outcome: string;
  record: WitnessRecord;
  nowMs: number;
}

function answeredPrimary(state: LeaseState, { outstanding, outcome, record, nowMs }: Answer): LeaseStep {
  const { request, sentAtMs, version } = outstanding;
  if (record.epoch > state.epoch || (record.epoch === state.epoch && record.holder !== state.self)) return lost(state, record);
  if (request.kind === 'ask') return tick({ ...state, nextSendMs: nowMs }, nowMs);
  // Refused for a person who takes over: what would hold for ever ends with the lease.
  if (outcome !== 'granted' || request.kind !== 'lease') return only({ ...state, isAlone: false });
  if (nowMs < state.givenUntilMs) return only(state);
  const granted: LeaseState = {
    ...state,
    enabledBy: undefined,
    grantedUntilMs: Math.max(state.grantedUntilMs, sentAtMs + holderSpanMs(request.leaseMs)),
  };
  if (request.peerInSync) return tick(granted, nowMs);
  return tick({ ...granted, isAlone: true, recordedVersion: state.wish.inSync ? -1 : version }, nowMs);
}

function lost(state: LeaseState, record: WitnessRecord): LeaseStep {
  return only({ ...nothingHeld(state), role: 'none', epoch: record.epoch, statement: undefined }, { kind: 'lost', record });
}

function nothingHeld(state: LeaseState): LeaseState {
  return {
    ...state,
    grantedUntilMs: 0,
    promisedUntilMs: 0,
    isAlone: false,
    peerAsk: { nonce: state.peerAsk.nonce + 1, sentAtMs: 0 },
    enabledBy: undefined,
    wish: { inSync: false, version: state.wish.version },
    recordedVersion: -1,
    claim: undefined,
  };
}

function answeredStandby(state: LeaseState, { outstanding, outcome, record, nowMs }: Answer): LeaseStep {
  const { request, sentAtMs, version } = outstanding;
  const { claim } = state;
  const isClaim = request.kind === 'lease' && claim !== undefined && claim.epoch === request.epoch;
  // A promise given meanwhile is kept: the record says who holds the lease, and it is asked for again afterwards.
  if (!isClaim || outcome !== 'granted' || nowMs < state.givenUntilMs || claim.statement === undefined) {
    const isHopeless = isClaim && outcome === 'out-of-sync' && claim.untilMs !== undefined && claim.forcedBy === undefined;
    if (isHopeless) return only({ ...state, claim: undefined }, { kind: 'claim-failed', outcome: 'out-of-sync' });
    return considerClaim(state, record, nowMs);
  }
  const won: LeaseState = {
    ...state,
    enabledBy: undefined,
    decidedBy: undefined,
    role: 'primary',
    epoch: claim.epoch,
    statement: claim.statement,
    claim: undefined,
    grantedUntilMs: sentAtMs + holderSpanMs(request.leaseMs),
    promisedUntilMs: 0,
    isAlone: true,
    wish: { inSync: false, version },
    recordedVersion: version,
    nextPeerAskMs: nowMs,
  };
  const { epoch, statement, forcedBy, untilMs } = claim;
  return only(won, { kind: 'won', epoch, statement, forcedBy, isOrdered: untilMs !== undefined, record });
}

/** Whether this standby may ask for the lease by itself, by what is on record. */
function mayTakeOver(state: LeaseState, record: WitnessRecord | undefined, nowMs: number): boolean {
  if (
    record === undefined ||
    record.leftMs > 0 ||
    nowMs < state.restsUntilMs ||
    !state.isReady ||
    record.history !== state.history
  )
    return false;
  return record.epoch >= state.epoch && state.position.seq >= record.peerSeq && record.inSync.includes(state.self);
}

/** After each answer: asks for a signature when the time has come, else waits for what must pass first. */
function considerClaim(state: LeaseState, record: WitnessRecord | undefined, nowMs: number): LeaseStep {
  const ordered = state.claim?.untilMs === undefined ? undefined : state.claim;
  const leftMs = Math.max(record?.leftMs ?? 0, state.givenUntilMs - nowMs);
  const waiting = {
    ...state,
    nextSendMs: nowMs + Math.min(state.terms.renewIntervalMs, leftMs > 0 ? leftMs + AFTER_END_MS : Infinity),
  };
  if (!isAlive(state, nowMs) || state.givenUntilMs > nowMs) return only(waiting);
  if (ordered === undefined && !mayTakeOver(state, record, nowMs)) return only({ ...waiting, claim: undefined });
  // A person's claim is sent while the lease is held: the witness renews it no more.
  if (leftMs > 0 && ordered?.forcedBy === undefined) return only(waiting);
  const known = Math.max(state.epoch, record?.epoch ?? 0);
  // Granted before, by an answer that did not arrive: the same epoch is asked for again.
  const isGranted = record?.holder === state.self && record.epoch >= state.epoch;
  const epoch = isGranted ? record.epoch : known + 1;
  if (state.claim?.epoch === epoch && state.claim.statement !== undefined) return only(waiting);
  const forcedBy = ordered?.forcedBy ?? (isGranted ? record.forcedBy : undefined);
  const claim = { forcedBy, untilMs: ordered?.untilMs, epoch, statement: undefined };
  return only({ ...waiting, claim }, { kind: 'sign', epoch });
}

function signed(state: LeaseState, { epoch, statement, nowMs }: Input<'signed'>): LeaseStep {
  if (state.role !== 'standby' || state.claim?.epoch !== epoch) return only(state);
  return tick({ ...state, claim: { ...state.claim, statement }, nextSendMs: nowMs }, nowMs);
}

function claimed(state: LeaseState, { forcedBy, lifeMs, nowMs }: Input<'claim'>): LeaseStep {
  if (state.role !== 'standby') return only(state, { kind: 'claim-failed', outcome: 'malformed' });
  const claim = { forcedBy, untilMs: nowMs + lifeMs, epoch: 0, statement: undefined };
  // The holder to whom this side promised something has given way itself.
  const givenUntilMs = forcedBy === undefined ? 0 : state.givenUntilMs;
  return tick({ ...state, claim, givenUntilMs, nextSendMs: nowMs }, nowMs);
}

function released(state: LeaseState, { peerInSync, nowMs }: Input<'release'>): LeaseStep {
  const idle: LeaseState = { ...nothingHeld(state), role: 'none', restsUntilMs: nowMs + RELEASE_REST_MS };
  if (state.role !== 'primary' || state.link !== 'ready') return only(idle, { kind: 'released' });
  const { site, epoch, peer, position } = state;
  const { seq, peerSeq } = position;
  return sendRequest(idle, nowMs, { kind: 'release', nonce: state.nonce + 1, site, epoch, peerInSync, peer, seq, peerSeq });
}

function roleTaken(state: LeaseState, { role, history, epoch, statement, decidedBy, nowMs }: Input<'role'>): LeaseStep {
  const isSame = role === 'primary' && state.role === 'primary' && epoch === state.epoch && history === state.history;
  if (isSame) return only({ ...state, statement, decidedBy });
  // What was promised to the peer as standby is over only when its time has passed; a primary by a person's order alone waits for it too.
  return tick(
    {
      ...nothingHeld(state),
      role,
      history,
      epoch,
      statement,
      decidedBy,
      isReady: false,
      nextSendMs: nowMs,
      nextPeerAskMs: nowMs,
    },
    nowMs,
  );
}

function askPeer(state: LeaseState, nowMs: number): LeaseStep {
  if (nowMs < state.nextPeerAskMs) return only(state);
  const nonce = state.peerAsk.nonce + 1;
  const { epoch, terms } = state;
  const next = { ...state, peerAsk: { nonce, sentAtMs: nowMs }, nextPeerAskMs: nowMs + terms.renewIntervalMs };
  return only(next, { kind: 'ask-peer', nonce, epoch, leaseMs: terms.leaseMs });
}

/** A standby promises the holder of the epoch it follows, unless the lease is on record as its own or a named person takes over. */
function peerAsked(state: LeaseState, { nonce, epoch, leaseMs, nowMs }: Input<'peer-asks'>): LeaseStep {
  const isMine = state.record?.holder === state.self && state.record.epoch > epoch;
  const isPromised = state.role === 'standby' && state.epoch === epoch && !isMine && state.claim?.untilMs === undefined;
  const givenUntilMs = isPromised ? Math.max(state.givenUntilMs, nowMs + grantorSpanMs(leaseMs)) : state.givenUntilMs;
  return only({ ...state, givenUntilMs }, { kind: 'answer-peer', nonce, isPromised });
}

function peerAnswered(state: LeaseState, { nonce, isPromised }: Input<'peer-answers'>): LeaseStep {
  const { peerAsk } = state;
  if (state.role !== 'primary' || peerAsk.nonce !== nonce || !isPromised) return only(state);
  return only({
    ...state,
    promisedUntilMs: Math.max(state.promisedUntilMs, peerAsk.sentAtMs + holderSpanMs(state.terms.leaseMs)),
  });
}
