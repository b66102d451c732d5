/** What the page shows of a pair: the sides, how far the copy is, what would be lost now. Derived from what everybody knows already; nothing is asked for it. */
import { statfsSync } from 'node:fs';
import type { CopyState, Exposure, FailoverState, PairRole, SideState } from '@bascule/protocol/api/failover.ts';
import type { Store } from '@bascule/store/store.ts';
import { CONFLICT_AFTER_MS } from './conflicts.ts';
import { servesAs } from './pair-records.ts';
import type { Pair } from './pair.ts';

/** Lag below this is 'following', above it 'catching-up'. */
const CATCHING_UP_CHANGES = 1000;

/** This side. */
export function sideOf(pair: Pair): SideState {
  const { config, records, database, key } = pair.parts;
  const head = database.store?.head();
  const { clientsOnline, sessions } = pair.options.figures();
  return {
    appliance: config.applianceName,
    keySha256: key.sha256,
    role: records.self.role,
    history: records.self.history,
    epoch: records.self.epoch,
    version: config.version,
    schema: head?.schema ?? 0,
    endpoint: records.peer?.ownEndpoint ?? null,
    clientsOnline,
    sessions,
    freeBytes: freeBytes(config.paths.site),
    clockOffsetMs: 0,
  };
}

/** The other side as it was last heard of. */
export function peerSideOf(pair: Pair): SideState | null {
  const { records, watch } = pair.parts;
  const { peer } = records;
  if (peer === undefined) return null;
  const { state } = watch;
  if (state !== undefined)
    return {
      ...state.side,
      role: peerRoleOf(pair, state.side.role),
      endpoint: peer.endpoint,
      clockOffsetMs: watch.clockOffsetMs,
    };
  return {
    appliance: peer.name,
    keySha256: peer.keySha256,
    role: records.isActive ? (records.serves ? 'backup' : 'primary') : 'read-only',
    history: records.self.history,
    epoch: records.self.epoch,
    version: '',
    schema: 0,
    endpoint: peer.endpoint,
    clientsOnline: 0,
    sessions: 0,
    freeBytes: null,
    clockOffsetMs: null,
  };
}

/** What the other side is; right after this one has changed, what it said before, or in the middle of a swap, is not so any more. */
function peerRoleOf(pair: Pair, said: PairRole): PairRole {
  const { records, watch } = pair.parts;
  const isLately = performance.now() - records.becameMs < CONFLICT_AFTER_MS;
  const isPassing = records.isActive && watch.isReachable && isLately && !pair.isInConflict;
  if (!isPassing || servesAs(said) !== records.serves) return said;
  return records.serves ? 'backup' : 'primary';
}

export function exposureOf(pair: Pair): Exposure | null {
  const { records, database, gate, watch, now } = pair.parts;
  if (!records.isActive || database.store === undefined) return null;
  const own = database.store.head().seq;
  const copy = pair.relayCopy;
  const bytes = {
    recordingBytes: records.serves
      ? (pair.follower?.recordingBytesLeft ?? copy?.exposedBytes ?? 0)
      : (copy?.recordingBytesLeft ?? 0),
    fileBytes: records.serves ? (pair.follower?.fileBytesLeft ?? 0) : (copy?.fileBytesLeft ?? 0),
  };
  if (records.serves) {
    const changes = Math.max(0, own - gate.ackedSeq);
    return { changes, seconds: changes === 0 ? 0 : secondsSince(pair, gate.ackedSeq), sessions: 0, ...bytes, asOfMs: now() };
  }
  const head = Math.max(pair.sourceHead?.seq ?? 0, watch.state?.log.seq ?? 0);
  const changes = Math.max(0, head - own);
  const contactMs = watch.lastContactAtMs ?? pair.sourceHead?.atMs ?? now();
  // A primary that cannot be asked may have gone on since: that is counted in seconds, since nobody here knows the changes.
  const silentMs = watch.isReachable ? 0 : Math.max(0, now() - contactMs);
  const behindMs = changes === 0 ? 0 : Math.max(0, contactMs - wholeAtMs(pair));
  return {
    changes,
    seconds: (behindMs + silentMs) / 1000,
    sessions: watch.isReachable ? 0 : Math.max(0, (watch.state?.side.sessions ?? 0) - sessionsIn(database.store)),
    ...bytes,
    asOfMs: contactMs,
  };
}

/** How far the copy on the backup is; null without a relationship. */
export function copyOf(pair: Pair): CopyState | null {
  const { records, watch } = pair.parts;
  if (!records.isActive) return null;
  const state = records.serves ? givenCopyOf(pair) : takenCopyOf(pair);
  const left = state.recordingBytesLeft + state.fileBytesLeft + state.databaseBytesLeft;
  const secondsLeft = left === 0 ? 0 : state.bytesPerSecond > 0 ? left / state.bytesPerSecond : null;
  const lagChanges = state.newestChange - state.copiedChange;
  const isBehind = state.state === 'following' && lagChanges > CATCHING_UP_CHANGES;
  return {
    ...state,
    state: isBehind ? 'catching-up' : state.state,
    lagChanges,
    secondsLeft,
    ...(!watch.isReachable && { leftAsOfMs: watch.lastContactAtMs, secondsLeft: null }),
  };
}

/** What the one that serves has and the other has not pulled, while an upgrade plan keeps them apart; undefined when they are not, or nothing was heard of the other. */
export function apartOf(pair: Pair): FailoverState['apart'] {
  const { records, database, watch, now } = pair.parts;
  const own = database.store?.head().seq;
  if (records.isActive || !records.trustsPeer || own === undefined || watch.state === undefined) return undefined;
  const { seq } = watch.state.log;
  const lagChanges = Math.max(0, records.serves ? own - seq : seq - own);
  if (lagChanges === 0) return { lagChanges, lagSeconds: 0 };
  return { lagChanges, lagSeconds: records.serves ? secondsSince(pair, seq) : Math.max(0, now() - newestAtMs(pair)) / 1000 };
}

type Figures = Omit<CopyState, 'lagChanges' | 'secondsLeft' | 'leftAsOfMs'>;

/** As the primary knows it: what was acknowledged, and what the backup says of itself. */
function givenCopyOf(pair: Pair): Figures {
  const { database, gate, source, watch } = pair.parts;
  const own = database.store?.head().seq ?? 0;
  const copied = Math.min(own, gate.ackedSeq);
  const theirs = watch.state?.copying;
  const { isFollowed } = source;
  const isSnapshot = !isFollowed && watch.isReachable && theirs?.isSnapshot === true;
  const offsetMs = watch.clockOffsetMs ?? 0;
  return {
    state: isFollowed ? 'following' : isSnapshot ? 'snapshot' : 'stopped',
    newestChange: own,
    copiedChange: copied,
    lagSeconds: copied === own ? 0 : secondsSince(pair, copied),
    databaseBytesLeft: theirs?.databaseBytesLeft ?? 0,
    recordingBytesLeft: pair.follower?.recordingBytesLeft ?? theirs?.recordingBytesLeft ?? 0,
    fileBytesLeft: pair.follower?.fileBytesLeft ?? theirs?.fileBytesLeft ?? 0,
    bytesPerSecond: theirs?.bytesPerSecond ?? pair.relayCopy?.bytesPerSecond ?? 0,
    lastCompletedAtMs: onOwnClock(theirs?.completedAtMs, offsetMs) ?? pair.copied.completedAtMs,
    lastComparedAtMs: onOwnClock(watch.state?.comparedAtMs, offsetMs) ?? pair.copied.comparedAtMs,
    stopped: isFollowed || isSnapshot ? null : { code: 'not-followed', text: 'The backup does not follow just now.' },
  };
}

/** As the backup itself knows it. */
function takenCopyOf(pair: Pair): Figures {
  const { database, sink, watch, now } = pair.parts;
  const own = database.store?.head().seq ?? 0;
  const newest = Math.max(own, pair.sourceHead?.seq ?? 0, watch.state?.log.seq ?? 0);
  const relay = pair.relayCopy;
  return {
    state: sink.state,
    newestChange: newest,
    copiedChange: own,
    lagSeconds: newest === own ? 0 : Math.max(0, now() - wholeAtMs(pair)) / 1000,
    databaseBytesLeft: sink.bytesLeft,
    recordingBytesLeft: relay?.recordingBytesLeft ?? 0,
    fileBytesLeft: relay?.fileBytesLeft ?? 0,
    bytesPerSecond: sink.bytesPerSecond + (relay?.bytesPerSecond ?? 0),
    lastCompletedAtMs: pair.copied.completedAtMs,
    lastComparedAtMs: pair.copied.comparedAtMs,
    stopped: sink.stopped,
  };
}

/** What the other side's clock said, on ours. */
function onOwnClock(atMs: number | null | undefined, offsetMs: number): number | null {
  return atMs === null || atMs === undefined ? null : Math.max(0, Math.round(atMs - offsetMs));
}

export function primaryUrlOf(pair: Pair): string | null {
  const { records } = pair.parts;
  const { peer } = records;
  if (peer === undefined || records.serves) return null;
  const peerRole = pair.parts.watch.state?.side.role;
  if (peerRole !== undefined && !servesAs(peerRole)) return null;
  const host = peer.endpoint.host.includes(':') ? `[${peer.endpoint.host}]` : peer.endpoint.host;
  return `https://${host}${peer.endpoint.port === 443 ? '' : `:${peer.endpoint.port}`}/login`;
}

function secondsSince(pair: Pair, seq: number): number {
  const entry = pair.parts.database.store?.entriesAfter(seq, 1)[0];
  return entry === undefined ? 0 : Math.max(0, pair.parts.now() - entry.atMs) / 1000;
}

/** When this follower last had everything: a quiet hour before a change is no lag. */
function wholeAtMs(pair: Pair): number {
  return Math.max(newestAtMs(pair), pair.copied.completedAtMs ?? 0);
}

/** Sessions of the copy that go on: whoever takes over resumes them. */
function sessionsIn(store: Store): number {
  return (
    store.get<{ count: number }>("SELECT count(*) AS count FROM access_sessions WHERE state IN ('starting', 'live')")?.count ?? 0
  );
}

function newestAtMs(pair: Pair): number {
  const { store } = pair.parts.database;
  if (store === undefined) return 0;
  return store.entriesAfter(Math.max(0, store.head().seq - 1), 1)[0]?.atMs ?? 0;
}

function freeBytes(folder: string): number | null {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return null;
  }
}
