/** Both ends of following, wired to the pair of this appliance. */
import { FollowSink } from './follow-sink.ts';
import { FollowSource } from './follow-source.ts';
import type { PairDial } from './pair-dial.ts';
import { sideOf } from './pair-figures.ts';
import type { Pair } from './pair.ts';

/** The source of this appliance, as its pair has it. */
export function sourceOf(pair: Pair): FollowSource {
  const { log, now, database } = pair.options;
  const records = () => pair.parts.records;
  return new FollowSource({
    store: () => database.store,
    history: () => records().self.history,
    statement: () => records().self.statement,
    mayServe: () => records().serves && records().trustsPeer,
    begun: (seq, headSeq) => pair.parts.gate.begun(seq, headSeq),
    acked: (seq, headSeq) => {
      pair.parts.gate.acked(seq, headSeq);
      pair.copy.noteAcked(false);
    },
    gone: () => {
      pair.follower = undefined;
      pair.parts.gate.gone();
      pair.options.changed();
    },
    heard: (status) => (pair.follower = status),
    held: (answer) => pair.lease.heardFromFollower(answer),
    ahead: () => pair.word.isBehindItsFollower(),
    differs: (tables) => {
      pair.sync.differs(tables);
      log.error({ tables }, 'failover.copies-differ');
    },
    log,
    now,
  });
}

/** The sink of this appliance. */
export function sinkOf(pair: Pair, dial: PairDial): FollowSink {
  const { config, log, database, changed } = pair.options;
  return new FollowSink({
    dial,
    store: () => database.store,
    hello: () => pair.copy.hello(),
    status: () => ({
      freeBytes: sideOf(pair).freeBytes,
      recordingBytesLeft: pair.relayCopy?.recordingBytesLeft ?? 0,
      fileBytesLeft: pair.relayCopy?.fileBytesLeft ?? 0,
      timeMs: pair.parts.now(),
    }),
    following: (statement) => pair.copy.following(statement),
    applied: (seq, tables) => pair.copy.applied(seq, tables),
    head: (seq, atMs) => pair.copy.noteHead(seq, atMs),
    compared: (differing) => pair.copy.compared(differing),
    hold: (question) => pair.lease.heardFromSource(question),
    mayReplace: (reason) => pair.givenWay.mayReplace(reason),
    replace: (file, reason) => pair.givenWay.replace(file, reason),
    folder: config.paths.pairWork,
    bytesPerSecond: () => pair.parts.records.settings.bytesPerSecond,
    changed: () => {
      if (pair.parts.isStarted()) pair.copy.noteReady();
      changed();
    },
    log,
  });
}
