import { setTimeout as delay } from 'node:timers/promises';
import { CloseCode, VIEWER_BEAT_MS, type AgentHello, type ViewerHello, type ViewerNotice } from '@bascule/protocol/data-link.ts';
import { EndReason } from '@bascule/protocol/end-reason.ts';
import type { FromRelay, ToRelay } from '@bascule/protocol/relay-control.ts';
import type { RecordingEnd } from '@bascule/recording/format.ts';
import type { RecordingWriter } from '@bascule/recording/writer.ts';
import { encodeInputAck, encodeJson, encodeOutput, FrameType, WireError, type Frame } from '@bascule/wire/frames.ts';
import { INPUT_WINDOW_BYTES } from '@bascule/wire/input-sender.ts';
import type { FrameLink } from './frame-link.ts';
import { InputLedger } from './input-ledger.ts';
import type { LiveRecording } from './live-recordings.ts';
import type { OutputTrack } from './output-track.ts';
import { OutputReceipt } from './output-receipt.ts';
import { outputSource } from './output-source.ts';
import type { PairData } from './pair-data.ts';
import { PeerWait } from './peer-wait.ts';
import { RateQuota } from './rate-quota.ts';
import { Recorder } from './recorder.ts';
import type { Screens } from './screens.ts';
import { ViewerLink, type OutputSource } from './viewer-link.ts';

/** Output that waits for the disk: above it the agent is not read, below half of it again. */
export const RECORDING_WAITING_MAX_BYTES = 4 * 1024 * 1024;
export const VIEWERS_MAX = 16;
/** Input that waits for an agent that does not read: above it the agent counts as away for viewers, at half of it as back. */
export const AGENT_WAITING_MAX_BYTES = 4 * 1024 * 1024;
/** When the session is over, viewers that are behind get the rest within this. */
const VIEWERS_SETTLE_LIMIT_MS = 3000;
const GAP_REASON = 'a failover: neither appliance nor client has them any more';
/** Above the input window: a frame may be under way on an earlier link of the same origin. */
const INPUT_PASSED_MAX_BYTES = 2 * INPUT_WINDOW_BYTES;

export type RelayLimits = Extract<ToRelay, { kind: 'configure' }>['limits'];
type SessionEnded = Extract<FromRelay, { kind: 'session-ended' }>;

export interface RelaySessionOptions {
  session: string;
  client: string;
  /** Why main had asked for the end before this relay started. */
  endRequested?: EndReason | undefined;
  /** Counted before this relay started. */
  typedBytes?: number | undefined;
  file: string;
  writer: RecordingWriter;
  track: OutputTrack;
  /** What the follower is sent of the recording, and has of it. */
  live: LiveRecording;
  pair: Pick<PairData, 'waits' | 'hasFollower' | 'recordings'>;
  /** The other appliance recorded it before: this recording may lack what that had, and then has a gap (wire 6.9). */
  mayLack: boolean;
  limits: RelayLimits;
  screens: Screens;
  emit(message: FromRelay): void;
  /** Another writer has taken over: this program must not go on. */
  fenced(error: Error): void;
}

type ViewerCut = { loginSession?: string | undefined; user?: string | undefined; session?: string | undefined };

/** Whether a viewer's ticket or link is of the login session or user that is cut. */
export function isCut(viewer: { loginSession: string; user: string }, cut: ViewerCut): boolean {
  return viewer.loginSession === cut.loginSession || viewer.user === cut.user;
}

/** One access session in the relay: the agent's link, the recording, the viewers (wire 4). */
export class RelaySession {
  readonly session: string;
  readonly client: string;
  #limits: RelayLimits;
  readonly #options: RelaySessionOptions;
  readonly #recorder: Recorder;
  readonly #receipt: OutputReceipt;
  readonly #input: InputLedger;
  readonly #viewers = new Set<ViewerLink>();
  #quota: RateQuota;
  #agent: FrameLink | undefined;
  /** Why the agent is not read: any of these. */
  readonly #agentHeld = new Set<'rate' | 'waiting' | 'paused'>();
  /** It does not read: too much waits on its link. */
  #agentStuck = false;
  #fault: string | undefined;
  #spaceLow = false;
  #pausedAtMs: number | undefined;
  #ending: { reason: EndReason; exitCode: number | null } | undefined;
  #endRequested: EndReason | undefined;
  #graceTimer: NodeJS.Timeout | undefined;
  #finishing = false;
  #mayLack: boolean;
  #isBridging = false;
  readonly #peerWait: PeerWait;
  #ended: SessionEnded | undefined;
  #reported = '';

  constructor(options: RelaySessionOptions) {
    this.session = options.session;
    this.client = options.client;
    this.#endRequested = options.endRequested;
    this.#input = new InputLedger(options.typedBytes);
    this.#options = options;
    this.#mayLack = options.mayLack;
    this.#limits = options.limits;
    this.#quota = new RateQuota(options.limits.sessionBytesPerSecond, options.limits.sessionBurstBytes, Date.now());
    this.#receipt = new OutputReceipt(options);
    this.#peerWait = new PeerWait(options.live, options.pair);
    this.#recorder = new Recorder(options.writer, {
      flushing: () => this.#receipt.flushing(),
      recorded: () => this.#recorded(),
      failed: (error) => this.#failed(error),
      outputState: () => options.track.save(),
    });
    options.live.onCopied = () => this.acknowledge();
    const { end } = options.writer;
    if (end && options.pair.waits === 'sync') void this.#endAgain(end);
    else if (end) {
      this.#ended = this.#endedMessage(end.reason, end.exitCode, end.endedAtMs, end.inBytes ?? 0);
      options.pair.recordings.release(options.live);
      void this.#recorder.close();
    } else if (options.track.exit) this.#exited(options.track.exit);
  }

  /** The relay before this one had written the end, and told nobody: the follower may lack it. */
  async #endAgain({ reason, exitCode, endedAtMs, inBytes }: RecordingEnd): Promise<void> {
    this.#ending = { reason, exitCode };
    this.#finishing = true;
    if (await this.#peerWait.untilCopied()) await this.#close(this.#endedMessage(reason, exitCode, endedAtMs, inBytes ?? 0));
  }

  get over(): boolean {
    return this.#ended !== undefined || this.#ending !== undefined;
  }

  /** What main wants to know when it (re)connects. */
  announce(): void {
    const { emit, writer } = this.#options;
    emit({ kind: 'session-opened', session: this.session, recordedBytes: writer.recordedBytes, repaired: writer.repaired });
    if (this.#ended) return emit(this.#ended);
    emit({ kind: 'agent-link', session: this.session, connected: this.#agent !== undefined });
    emit({ kind: 'viewers', session: this.session, count: this.#viewers.size });
    if (this.#pausedAtMs !== undefined) emit({ kind: 'paused', session: this.session, paused: true, ...this.#pauseReason() });
  }

  setLimits(limits: RelayLimits): void {
    this.#limits = limits;
    this.#quota = new RateQuota(limits.sessionBytesPerSecond, limits.sessionBurstBytes, Date.now());
  }

  // The agent.

  /** Takes a new data link after its ticket was found good; an older one gives way (wire 4.10). Throws WireError for a HELLO that cannot be. */
  attachAgent(link: FrameLink, hello: AgentHello): void {
    if (this.#ended) return link.close(CloseCode.ended, 'the session is over');
    // Until the follower has the end too, the client keeps what it has (wire 4.12).
    if (this.#ending) return link.close(CloseCode.restarting, 'the session is ending: come back');
    const { recordedBytes } = this.#recorder.writer;
    if (this.#isBridging) return link.close(CloseCode.restarting, 'a gap is being written: come back');
    this.#input.reset(hello.inputs);
    const old = this.#agent;
    this.#agent = undefined;
    old?.close(CloseCode.replaced, 'a newer link took over');
    if (hello.outStart > recordedBytes && this.#mayLack) return void this.#bridgeGap(link, hello);
    if (hello.outStart > recordedBytes || hello.outEnd < recordedBytes) {
      link.close(CloseCode.protocol, `HELLO outStart, outEnd: do not hold ${recordedBytes}, which is recorded`);
      this.#finish(EndReason.protocolViolation, null);
      return;
    }
    this.#mayLack = false;
    this.#agent = link;
    this.#agentStuck = false;
    this.#applyHolds();
    link.send(encodeJson(FrameType.welcome, this.#receipt.welcome(hello)));
    this.#options.emit({ kind: 'agent-link', session: this.session, connected: true });
    // Also behind an unbroken link's back: what was passed on to the old one may be lost.
    if (old) this.#notify({ kind: 'agent', connected: false });
    this.#notify({ kind: 'agent', connected: true });
    this.#resumeInputs();
  }

  /** Neither the recording nor the client has what lies between: said in the recording, and the output goes on behind it. */
  async #bridgeGap(link: FrameLink, hello: AgentHello): Promise<void> {
    const { writer, track, emit } = this.#options;
    const from = writer.recordedBytes;
    this.#isBridging = true;
    try {
      await writer.gap(hello.outStart, GAP_REASON, Date.now());
      track.gap(hello.outStart);
    } catch (error) {
      link.close(CloseCode.restarting, 'the recording could not be written: come back');
      return this.#failed(error as Error);
    } finally {
      this.#isBridging = false;
    }
    emit({ kind: 'gap', session: this.session, from, to: hello.outStart });
    // What they have does not go on behind the gap: they get a fresh screen.
    this.closeViewers(CloseCode.restarting, 'output is missing: come back');
    if (link.open) this.attachAgent(link, hello);
  }

  agentClosed(link: FrameLink): void {
    if (link !== this.#agent) return;
    this.#agent = undefined;
    this.#options.emit({ kind: 'agent-link', session: this.session, connected: false });
    for (const viewer of this.#viewers) viewer.inputNext = undefined;
    this.#notify({ kind: 'agent', connected: false });
  }

  /** A frame of the agent's. Throws WireError: the link is to be closed with 4002. */
  agentFrame(link: FrameLink, frame: Frame, message: Buffer): void {
    if (link !== this.#agent || this.over) return;
    if (frame.type === FrameType.output) this.#output(frame.offset, frame.timeUs, frame.bytes, message);
    else if (frame.type === FrameType.inputAck) this.#inputAck(frame.origin, frame.offset, message);
    else if (frame.type !== FrameType.drained) throw new WireError(`type: an agent does not send 0x${frame.type.toString(16)}`);
    else if (this.#options.track.exit !== undefined) return;
    else if (!this.#endRequested) throw new WireError('DRAINED: before EXIT');
    else this.#finish(this.#endRequested, null);
  }

  /** The hot path: no await, no copy, nothing per byte. Viewers first, then the recording's queue. */
  #output(offset: number, timeUs: number, bytes: Uint8Array, message: Buffer): void {
    const { takenBytes, fileBytes } = this.#recorder.writer;
    if (offset > takenBytes) throw new WireError(`OUTPUT offset: ${offset} leaves a gap after ${takenBytes}`);
    const end = offset + bytes.length;
    if (end <= takenBytes) return;
    const fresh = offset === takenBytes ? bytes : bytes.subarray(takenBytes - offset);
    try {
      this.#options.track.push(fresh);
    } catch (error) {
      // The agent would send the same again for ever.
      this.#finish(EndReason.protocolViolation, null);
      throw error;
    }
    const whole = fresh === bytes ? message : encodeOutput(takenBytes, timeUs, fresh);
    for (const viewer of this.#viewers) viewer.forward(whole, end);
    this.#recorder.append(takenBytes, timeUs, fresh);
    if (this.#recorder.waitingBytes > RECORDING_WAITING_MAX_BYTES) this.#holdAgent('waiting');
    const pauseMs = this.#quota.take(fresh.length, Date.now());
    if (pauseMs > 0 && !this.#agentHeld.has('rate')) {
      this.#holdAgent('rate');
      setTimeout(() => this.#releaseAgent('rate'), pauseMs);
    }
    const { exit } = this.#options.track;
    if (exit) this.#exited(exit);
    else if (fileBytes + this.#recorder.waitingBytes > this.#limits.recordingMaxBytes) this.#finish(EndReason.limitReached, null);
  }

  /** Main tells the relay first that it ends a session: what it has written by now is read before the process counts as gone by itself. */
  #exited(exit: { code: number; signal: number }): void {
    const finish = () => this.#finish(this.#endRequested ?? EndReason.processExited, exit.code < 0 ? null : exit.code);
    // The second comes after everything that was there to be read.
    setImmediate(() => setImmediate(finish));
  }

  #inputAck(origin: string, offset: number, message: Buffer): void {
    this.#input.confirm(origin, offset);
    this.#checkAgentStuck();
    for (const viewer of this.#viewers) if (viewer.origin === origin && viewer.inputNext !== undefined) viewer.link.send(message);
  }

  /** Cuts the agent off (revoked, deleted). */
  cutAgent(): void {
    this.#agent?.close(CloseCode.ticket, 'the client was cut off');
  }

  #holdAgent(why: 'rate' | 'waiting' | 'paused'): void {
    this.#agentHeld.add(why);
    this.#applyHolds();
  }

  #releaseAgent(why: 'rate' | 'waiting' | 'paused'): void {
    if (this.#agentHeld.delete(why)) this.#applyHolds();
  }

  #applyHolds(): void {
    this.#agent?.setPaused(this.#agentHeld.size > 0);
  }

  // The recording.

  /** Tells the agent what it may forget by now; after each batch, and when the follower or the pair changed. */
  acknowledge(): void {
    const agent = this.#agent;
    if (agent !== undefined) for (const frame of this.#receipt.frames()) agent.send(frame);
    this.#peerWait.look();
  }

  /** Bytes of the output that are only here, and that the client need not have any more. */
  get exposedBytes(): number {
    return this.#receipt.exposedBytes;
  }

  #recorded(): void {
    this.#receipt.recorded();
    this.acknowledge();
    if (this.#recorder.waitingBytes <= RECORDING_WAITING_MAX_BYTES / 2) this.#releaseAgent('waiting');
    if (this.#fault !== undefined) {
      this.#fault = undefined;
      this.#updatePause();
    }
  }

  #failed(error: Error): void {
    if ((error as { code?: string }).code === 'STORE_FENCED') return this.#options.fenced(error);
    this.#fault = error.message;
    this.#updatePause();
  }

  /** Called about once a second: whether space is short, tries again, and the end of patience. */
  sweep(nowMs: number, spaceLow: boolean): void {
    if (this.#ended) return;
    this.#spaceLow = spaceLow;
    this.#updatePause();
    if (this.#pausedAtMs !== undefined && nowMs - this.#pausedAtMs > this.#limits.recordingPauseLimitMs) return this.#giveUp();
    if (this.#fault === undefined || spaceLow) return;
    if (this.#ending) this.#tryFinish();
    else this.#recorder.retry();
  }

  #updatePause(): void {
    const paused = this.#fault !== undefined || this.#spaceLow;
    if (paused === (this.#pausedAtMs !== undefined) || this.#ending?.reason === EndReason.recordingFailed) return;
    this.#pausedAtMs = paused ? Date.now() : undefined;
    this.#options.emit({ kind: 'paused', session: this.session, paused, ...(paused && this.#pauseReason()) });
    if (paused) for (const viewer of this.#viewers) viewer.inputNext = undefined;
    this.#notify({ kind: 'paused', paused });
    if (paused) {
      for (const viewer of this.#viewers) viewer.hold();
      return this.#holdAgent('paused');
    }
    for (const viewer of this.#viewers) viewer.goOn();
    this.#releaseAgent('paused');
    this.#resumeInputs();
  }

  #pauseReason(): { reason: string } {
    return { reason: this.#fault ?? 'the space that is kept free would be used up' };
  }

  // Viewers.

  /** Takes a viewer after its ticket was found good. */
  attachViewer(link: FrameLink, hello: ViewerHello, who: { user: string; loginSession: string }): ViewerLink | undefined {
    if (this.over) return void link.close(CloseCode.ended, this.#ended?.reason ?? 'the session is over');
    for (const other of this.#viewers)
      if (other.origin === hello.origin) other.link.close(CloseCode.replaced, 'a newer link took over');
    if (this.#viewers.size >= VIEWERS_MAX) return void link.close(CloseCode.limit, `at most ${VIEWERS_MAX} viewers`);
    const viewer = new ViewerLink(link, { origin: hello.origin, ...who }, this.#source());
    this.#viewers.add(viewer);
    const isBeating = hello.beats === true && this.#options.pair.waits !== 'none';
    const ready = this.#inputFlows();
    if (ready) viewer.inputNext = this.#input.confirmed(hello.origin);
    link.send(
      encodeJson(FrameType.welcome, {
        v: 1,
        session: this.session,
        outFrom: hello.outFrom ?? 0,
        inputFrom: viewer.inputNext ?? null,
        previousInput: hello.previousOrigin !== undefined && this.#agent ? this.#input.confirmed(hello.previousOrigin) : null,
        agentConnected: this.#agent !== undefined,
        ...(isBeating && { beatMs: VIEWER_BEAT_MS }),
      }),
    );
    if (isBeating) viewer.beat(VIEWER_BEAT_MS);
    if (this.#pausedAtMs !== undefined) viewer.notice({ kind: 'paused', paused: true });
    viewer.start(hello.outFrom);
    this.#options.emit({ kind: 'viewers', session: this.session, count: this.#viewers.size });
    return viewer;
  }

  viewerClosed(viewer: ViewerLink): void {
    if (this.#viewers.delete(viewer)) this.#options.emit({ kind: 'viewers', session: this.session, count: this.#viewers.size });
  }

  /** A frame of a viewer's. Throws WireError: the link is to be closed with 4002. */
  viewerFrame(viewer: ViewerLink, frame: Frame, message: Buffer): void {
    if (frame.type === FrameType.outputAck) viewer.acknowledge(frame.offset);
    else if (frame.type === FrameType.input) this.#inputFrom(viewer, frame, message);
    else throw new WireError(`type: a viewer does not send 0x${frame.type.toString(16)}`);
  }

  #inputFrom(viewer: ViewerLink, frame: { origin: string; offset: number; bytes: Uint8Array }, message: Buffer): void {
    if (frame.origin !== viewer.origin) throw new WireError('INPUT origin: is not that of HELLO');
    this.#checkAgentStuck();
    const next = viewer.inputNext;
    if (next === undefined || frame.offset > next) {
      // Sent before the viewer could know that the agent went away; it sends again from the next INPUT_ACK on.
      viewer.inputDroppedBytes += frame.bytes.length;
      if (viewer.inputDroppedBytes > INPUT_PASSED_MAX_BYTES) throw new WireError(`INPUT offset: ${frame.offset} leaves a gap`);
      return;
    }
    viewer.inputDroppedBytes = 0;
    viewer.inputNext = Math.max(next, frame.offset + frame.bytes.length);
    this.#input.passedOn(viewer.origin, frame.offset, frame.bytes);
    if (this.#input.unconfirmed(viewer.origin) > INPUT_PASSED_MAX_BYTES) {
      viewer.link.close(CloseCode.limit, `INPUT: more than ${INPUT_WINDOW_BYTES} bytes are unconfirmed`);
      return;
    }
    this.#agent?.send(message);
  }

  #inputFlows(): boolean {
    return this.#agent !== undefined && !this.#agentStuck && this.#pausedAtMs === undefined;
  }

  /** Each origin has its limit, but there may be many: what waits for an agent that does not read has one too. */
  #checkAgentStuck(): void {
    const waitingBytes = this.#agent?.waitingBytes ?? 0;
    const stuck = waitingBytes > (this.#agentStuck ? AGENT_WAITING_MAX_BYTES / 2 : AGENT_WAITING_MAX_BYTES);
    if (stuck === this.#agentStuck || !this.#agent) return;
    this.#agentStuck = stuck;
    if (stuck) for (const viewer of this.#viewers) viewer.inputNext = undefined;
    this.#notify({ kind: 'agent', connected: !stuck });
    this.#resumeInputs();
  }

  #resumeInputs(): void {
    if (!this.#inputFlows()) return;
    for (const viewer of this.#viewers) {
      viewer.inputNext = this.#input.confirmed(viewer.origin);
      viewer.inputDroppedBytes = 0;
      viewer.link.send(encodeInputAck(viewer.origin, viewer.inputNext));
    }
  }

  /** Cuts viewers of a login session or user, or all when `session` is this one. */
  cutViewers(who: ViewerCut): void {
    const all = who.session === this.session;
    for (const viewer of this.#viewers)
      if (all || isCut(viewer, who)) viewer.link.close(CloseCode.ticket, 'logged out, or no longer allowed');
  }

  /** Closes every viewer's link with `code`. */
  closeViewers(code: number, reason: string): void {
    for (const viewer of this.#viewers) viewer.link.close(code, reason);
  }

  #notify(notice: ViewerNotice): void {
    for (const viewer of this.#viewers) viewer.notice(notice);
  }

  #source(): OutputSource {
    const isHeld = () => this.#pausedAtMs !== undefined;
    return outputSource({ ...this.#options, isHeld });
  }

  // The end.

  /** Asks for the end: the far process is being stopped; takes its last output for `graceMs` (wire 4.1, DRAINED). */
  end(reason: EndReason, graceMs: number): void {
    if (this.#ended) return this.#options.emit(this.#ended);
    if (this.#ending) return;
    this.#endRequested ??= reason;
    const requested = this.#endRequested;
    clearTimeout(this.#graceTimer);
    if (graceMs === 0) this.#finish(requested, null);
    else this.#graceTimer = setTimeout(() => this.#finish(requested, null), graceMs);
  }

  #finish(reason: EndReason, exitCode: number | null): void {
    if (this.over) return;
    clearTimeout(this.#graceTimer);
    this.#ending = { reason, exitCode };
    this.#tryFinish();
  }

  #tryFinish(): void {
    if (this.#finishing) return;
    this.#finishing = true;
    void this.#writeEnd().finally(() => (this.#finishing = false));
  }

  async #writeEnd(): Promise<void> {
    const { reason, exitCode } = this.#ending!;
    const endedAtMs = Date.now();
    const inBytes = this.#input.typedBytes;
    if (!(await this.#recorder.finish({ reason, exitCode, endedAtMs, inBytes })) || this.#ended) return;
    // The client forgets all once main knows of the end.
    if (await this.#peerWait.untilCopied()) await this.#close(this.#endedMessage(reason, exitCode, endedAtMs, inBytes));
  }

  /** The recording cannot be written: what is on the disk is all there will be. */
  #giveUp(): void {
    if (this.#finishing) return;
    this.#finishing = true;
    const reason = EndReason.recordingFailed;
    this.#ending = { reason, exitCode: null };
    this.#agent?.close(CloseCode.ended, reason);
    // A batch under way still changes the file, and its head is what the audit trail holds.
    void this.#recorder.stop().then(() => this.#close(this.#endedMessage(reason, null, Date.now(), this.#input.typedBytes)));
  }

  async #close(ended: SessionEnded): Promise<void> {
    this.#ended = ended;
    this.#agent?.close(CloseCode.ended, ended.reason);
    await Promise.race([
      Promise.all(Array.from(this.#viewers, (viewer) => viewer.settle())),
      delay(VIEWERS_SETTLE_LIMIT_MS, undefined, { ref: false }),
    ]);
    this.#notify({ kind: 'ended', reason: ended.reason, exitCode: ended.exitCode });
    for (const viewer of this.#viewers) viewer.link.close(CloseCode.ended, ended.reason);
    this.#options.screens.forget(this.session);
    this.#options.emit(ended);
    await this.#recorder.close().catch(() => {});
    this.#options.pair.recordings.release(this.#options.live);
  }

  #endedMessage(reason: EndReason, exitCode: number | null, endedAtMs: number, inBytes: number): SessionEnded {
    const { recordedBytes, fileBytes, headSha256, gapBytes } = this.#options.writer;
    return {
      kind: 'session-ended',
      session: this.session,
      reason,
      exitCode,
      endedAtMs,
      outBytes: recordedBytes,
      inBytes,
      recordingBytes: fileBytes,
      headSha256,
      ...(gapBytes > 0 && { gapBytes }),
    };
  }

  /** For the list of active sessions; says nothing when nothing moved. */
  reportProgress(): void {
    if (this.#ended) return;
    const progress = { outBytes: this.#recorder.writer.recordedBytes, inBytes: this.#input.typedBytes };
    const text = JSON.stringify(progress);
    if (text === this.#reported) return;
    this.#reported = text;
    this.#options.emit({ kind: 'progress', session: this.session, ...progress });
  }

  check(nowMs: number): void {
    this.#agent?.check(nowMs);
    this.#checkAgentStuck();
    for (const viewer of this.#viewers) viewer.link.check(nowMs);
  }

  /** The relay stops, or forgets the session: links are closed with `code`; a recording that is not ended waits for the next relay. */
  async stop(code: number): Promise<void> {
    this.#closeLinks(code);
    await (this.over ? this.#recorder.close() : this.#recorder.suspend()).catch(() => {});
    this.#options.pair.recordings.release(this.#options.live);
  }

  /** Another appliance records from here on: what is not on the disk yet is not written any more. */
  async letGo(): Promise<void> {
    this.#peerWait.giveUp();
    this.#closeLinks(CloseCode.restarting);
    this.#options.pair.recordings.release(this.#options.live);
    await this.#recorder.close().catch(() => {});
  }

  #closeLinks(code: number): void {
    clearTimeout(this.#graceTimer);
    this.closeViewers(code, 'the relay stops');
    this.#agent?.close(code, 'the relay stops');
    this.#options.screens.forget(this.session);
  }
}
