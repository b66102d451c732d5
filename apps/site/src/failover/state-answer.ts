import type { PairStateAnswer } from '@bascule/protocol/pair-link.ts';
import { ZERO_HASH } from './copy-progress.ts';
import { sideOf } from './pair-figures.ts';
import { servesAs } from './pair-records.ts';
import type { Pair } from './pair.ts';
import { usedHere } from './used-codes.ts';

/** How far the copy here is. */
function copyingOf(pair: Pair): NonNullable<PairStateAnswer['copying']> {
  const { sink } = pair.parts;
  const relay = pair.relayCopy;
  return {
    isSnapshot: sink.state === 'snapshot',
    databaseBytesLeft: sink.bytesLeft,
    recordingBytesLeft: relay?.recordingBytesLeft ?? 0,
    fileBytesLeft: relay?.fileBytesLeft ?? 0,
    bytesPerSecond: sink.bytesPerSecond + (relay?.bytesPerSecond ?? 0),
    completedAtMs: pair.copied.completedAtMs,
  };
}

/** What this side says of itself (GET `/state`), whatever its role. */
export function stateAnswerOf(pair: Pair): PairStateAnswer {
  const { records, database, gate, now, watch } = pair.parts;
  const head = database.store?.head();
  const peerRole = watch.state?.side.role;
  return {
    side: sideOf(pair),
    statement: records.self.statement,
    mode: records.settings.mode,
    log: {
      seq: head?.seq ?? 0,
      hash: head === undefined ? ZERO_HASH : Buffer.from(head.hash).toString('hex'),
      ackedSeq: gate.ackedSeq,
      epoch: head?.epoch ?? 0,
    },
    timeMs: now(),
    rolesAgree: peerRole === undefined || servesAs(peerRole) !== records.serves,
    isActive: records.isActive,
    isApartForPlan: records.peer?.apart === 'plan',
    readOnly: records.self.readOnly,
    archives: records.trustsPeer ? pair.givenWay.offered() : [],
    ...(records.self.role === 'backup' && { copying: copyingOf(pair), usedSteps: usedHere(pair) }),
    comparedAtMs: pair.copied.comparedAtMs,
    settings: records.settings,
    keysSha256: pair.keyRenewal.hash(),
    ringSha256: pair.keyRenewal.ringHash(),
  };
}
