import { accessSync, constants, existsSync } from 'node:fs';
import { basename, parse } from 'node:path';
import { terminalSize } from '@bascule/protocol/text.ts';
import type { FromClient, HeldSession, SessionProgram } from '@bascule/protocol/control-link.ts';
import { CloseCode } from '@bascule/protocol/data-link.ts';
import { BackOff } from '@bascule/wire/back-off.ts';
import { FRAME_PAYLOAD_MAX_BYTES, WireError } from '@bascule/wire/frames.ts';
import { InputReceiver, ORIGINS_MAX } from '@bascule/wire/input-receiver.ts';
import { OutputSender, REPLAY_BUFFER_MAX_BYTES } from '@bascule/wire/output-sender.ts';
import {
  InputRecord,
  OutputRecord,
  RECORD_PAYLOAD_MAX_BYTES,
  RecordParser,
  decodeSize,
  encodeExit,
  encodeRecord,
  encodeSize,
} from '@bascule/wire/records.ts';
import type { Log } from '@bascule/log/log.ts';
import { DataLink } from './data-link.ts';
import type { DialTarget } from '@bascule/client/dial.ts';
import type { DataLinkTls } from '@bascule/client/face.ts';
import { readLoginUser, shellEnvironment, type LoginUser } from './login-user.ts';
import type { PtyEvents, TerminalProcess } from './pty-process.ts';
import { startTerminal } from './terminal.ts';

/** After SIGHUP the process has this long before SIGKILL. */
const HANGUP_LIMIT_MS = 5000;
/** Input on its way to the process, at most: what a few viewers may have unconfirmed (wire 4.7). */
const INPUT_PENDING_LIMIT_BYTES = 1024 * 1024;
/** The process is read again when this much of the replay buffer is free. */
const RESUME_BELOW_BYTES = REPLAY_BUFFER_MAX_BYTES - 4 * 1024 * 1024;
/** Output that only one appliance has and that is not kept any more is told of so often. */
const LET_GO_SAID_EVERY_BYTES = 1024 * 1024 * 1024;
/** wire 5.6 */
const REDIAL_FIRST_MS = 100;
const REDIAL_MAX_MS = 2000;
/** The first try after the relay said that it restarts comes within this. */
const RETURN_PAUSE_MS = 20;
/** A ticket that was asked for and did not come within this is asked for again. */
const TICKET_LIMIT_MS = 10_000;
/** Input is confirmed this long after the process's terminal has it. */
const INPUT_ACK_DELAY_MS = 10;
const LOGIN_FLAG_SHELLS = new Set(['bash', 'zsh', 'sh', 'dash', 'ksh', 'fish', 'ash', 'tcsh', 'csh']);
const NOTHING = new Uint8Array();

export interface ShellSessionOptions {
  id: string;
  program: SessionProgram;
  target(): DialTarget;
  tls(): DataLinkTls;
  /** Sends on the control link; false when there is none. */
  send(message: FromClient): boolean;
  log: Log;
}

/** A shell on a pseudo-terminal, its output kept until it is recorded, its data link made again as often as needed. */
export class ShellSession {
  #options: ShellSessionOptions;
  #log: Log;
  #pty: TerminalProcess;
  #output = new OutputSender();
  #input = new InputReceiver();
  #parsers = new Map<string, RecordParser>();
  #inputPendingBytes = 0;
  readonly #unacknowledgedInput = new Map<string, number>();
  #inputAckTimer: NodeJS.Timeout | undefined;
  #link: DataLink | undefined;
  #sentUpTo = 0;
  #drainedSent = false;
  #flushing = false;
  #exited = false;
  #forgotten = false;
  #over = false;
  #redial = new BackOff(REDIAL_FIRST_MS, REDIAL_MAX_MS);
  #redialTimer: NodeJS.Timeout | undefined;
  #killTimer: NodeJS.Timeout | undefined;
  #onExit: (() => void)[] = [];

  /** Starts the user's login shell. Throws an Error whose message is a sentence. */
  constructor(options: ShellSessionOptions) {
    this.#options = options;
    this.#log = options.log.child({ session: options.id });
    this.#pty = startShell(options.program, {
      output: (bytes) => this.#onOutput(bytes),
      exit: (code, signal) => this.#onExited(code, signal),
    });
  }

  get held(): HeldSession {
    return { session: this.#options.id, outStart: this.#output.start, outEnd: this.#output.end, exited: this.#exited };
  }

  get exited(): boolean {
    return this.#exited;
  }

  get linked(): boolean {
    return this.#link?.live === true;
  }

  get giveUpAfterMs(): number {
    return this.#options.program.giveUpAfterMs;
  }

  /** Resolves when the process is gone and its output complete. */
  whenExited(): Promise<void> {
    return this.#exited ? Promise.resolve() : new Promise((resolve) => this.#onExit.push(resolve));
  }

  /** A ticket came: dials, unless a link is there or under way. */
  dial(ticket: string): void {
    if (this.#link !== undefined || this.#forgotten) return;
    clearTimeout(this.#redialTimer);
    const hello = () => ({
      v: 1 as const,
      session: this.#options.id,
      ticket,
      outStart: this.#output.start,
      outEnd: this.#output.end,
      inputs: this.#input.all(),
      keeps: true,
    });
    const link: DataLink = new DataLink(this.#options.target(), this.#options.tls(), hello, {
      welcome: (outFrom, keepFrom) => this.#onWelcome(outFrom, keepFrom),
      acknowledged: (offset) => this.#onAcknowledged(offset),
      stored: (offset) => this.#onStored(offset),
      input: (origin, offset, bytes) => this.#onInput(link, origin, offset, bytes),
      writable: () => this.#pump(),
      closed: (code, reason) => this.#onClosed(code, reason),
    });
    this.#link = link;
  }

  /** Asks for a ticket if the session has no data link: after the control link came (back). */
  requestTicket(): void {
    if (this.#link !== undefined || this.#forgotten || this.#over) return;
    clearTimeout(this.#redialTimer);
    this.#options.send({ kind: 'ticket-request', session: this.#options.id });
    this.#redialTimer = setTimeout(() => this.requestTicket(), TICKET_LIMIT_MS);
  }

  /** Ends the process: SIGHUP, after 5 s SIGKILL. The rest of the output is still sent. */
  end(): void {
    if (this.#exited || this.#killTimer !== undefined) return;
    this.#pty.kill('SIGHUP');
    this.#pty.kill('SIGCONT');
    this.#killTimer = setTimeout(() => this.#pty.kill('SIGKILL'), HANGUP_LIMIT_MS);
  }

  /** Kills what is left and drops everything. */
  forget(): void {
    this.#forgotten = true;
    clearTimeout(this.#redialTimer);
    clearTimeout(this.#killTimer);
    clearTimeout(this.#inputAckTimer);
    this.#pty.kill('SIGKILL');
    this.#pty.destroy();
    this.#link?.close(1000, 'forgotten');
  }

  check(nowMs: number): void {
    this.#link?.check(nowMs);
  }

  /** The control link had to be made anew: the data link may be dead as well, and says so soon or answers. */
  proveLink(): void {
    this.#link?.prove();
  }

  /** The site is at another address: whoever records now is there. */
  moved(): void {
    this.#link?.close(CloseCode.restarting, 'the site has moved');
  }

  #onOutput(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += RECORD_PAYLOAD_MAX_BYTES) {
      this.#append(encodeRecord(OutputRecord.data, bytes.subarray(at, at + RECORD_PAYLOAD_MAX_BYTES)));
    }
    if (this.#output.full) this.#pty.pause();
  }

  /** Keeps a record and sends it: at once when it is alone, together with the others when more come in the same turn. */
  #append(record: Uint8Array): void {
    const timeUs = Math.round((performance.timeOrigin + performance.now()) * 1000);
    this.#tellLetGo(() => this.#output.append(record, timeUs));
    if (this.#flushing) return;
    this.#flushing = true;
    this.#pump();
    setImmediate(() => {
      this.#flushing = false;
      this.#pump();
    });
  }

  #onExited(code: number, signal: number): void {
    clearTimeout(this.#killTimer);
    this.#exited = true;
    // Behind the exit the session is over, and nobody hears what its process still got.
    this.#acknowledgeInput();
    this.#append(encodeExit(code, signal));
    this.#log.info({ exitCode: code, signal }, 'session-exited');
    for (const listener of this.#onExit.splice(0)) listener();
    this.#pump();
  }

  /** Sends what the link takes; DRAINED behind the last byte. */
  #pump(): void {
    const link = this.#link;
    if (link === undefined || !link.live) return;
    while (link.writable && this.#sentUpTo < this.#output.end) {
      const { timeUs, bytes } = this.#nextPiece();
      link.output(this.#sentUpTo, timeUs, bytes);
      this.#sentUpTo += bytes.length;
    }
    if (this.#exited && !this.#drainedSent && this.#sentUpTo === this.#output.end) {
      this.#drainedSent = true;
      link.drained();
    }
  }

  /** As many of the kept pieces as fit into one frame. */
  #nextPiece(): { timeUs: number; bytes: Uint8Array } {
    const first = this.#output.next(this.#sentUpTo, FRAME_PAYLOAD_MAX_BYTES)!;
    const pieces = [first.bytes];
    let length = first.bytes.length;
    for (;;) {
      const more =
        length < FRAME_PAYLOAD_MAX_BYTES
          ? this.#output.next(this.#sentUpTo + length, FRAME_PAYLOAD_MAX_BYTES - length)
          : undefined;
      if (more === undefined) break;
      pieces.push(more.bytes);
      length += more.bytes.length;
    }
    return { timeUs: first.timeUs, bytes: pieces.length === 1 ? first.bytes : Buffer.concat(pieces, length) };
  }

  #onWelcome(outFrom: number, keepFrom: number): void {
    this.#output.resumeFrom(outFrom);
    this.#redial.reset();
    this.#sentUpTo = outFrom;
    this.#drainedSent = false;
    this.#onAcknowledged(Math.min(keepFrom, outFrom));
    if (this.#output.full) this.#pty.pause();
    this.#log.info({ outFrom, outEnd: this.#output.end }, 'session-linked');
    this.#pump();
  }

  #onAcknowledged(offset: number): void {
    this.#output.acknowledge(offset);
    // After a resume the relay may have on disk, from the link before, what this link was still to send again.
    this.#sentUpTo = Math.max(this.#sentUpTo, offset);
    this.#resumeReading();
  }

  #onStored(offset: number): void {
    this.#tellLetGo(() => this.#output.store(offset));
    this.#sentUpTo = Math.max(this.#sentUpTo, offset);
    this.#resumeReading();
  }

  #resumeReading(): void {
    if (this.#output.waitingBytes < RESUME_BELOW_BYTES) this.#pty.resume();
  }

  /** Once for each gibibyte of it: the other appliance of the pair is far behind, or away. */
  #tellLetGo(act: () => void): void {
    const saidTimes = () => Math.ceil(this.#output.letGoBytes / LET_GO_SAID_EVERY_BYTES);
    const before = saidTimes();
    act();
    if (saidTimes() > before) this.#log.warn({ letGoBytes: this.#output.letGoBytes }, 'session-output-on-one-appliance-alone');
  }

  #onInput(link: DataLink, origin: string, offset: number, bytes: Uint8Array): void {
    const fresh = this.#input.accept(origin, offset, bytes);
    const received = this.#input.received(origin);
    if (fresh !== undefined) this.#parserOf(origin).push(fresh);
    if (this.#inputPendingBytes > INPUT_PENDING_LIMIT_BYTES)
      return link.close(CloseCode.limit, `more than ${INPUT_PENDING_LIMIT_BYTES} bytes of input wait for the process`);
    // Written behind everything before it: confirmed when the process's terminal has it (wire 4.6).
    this.#pty.write(NOTHING, () => this.#acknowledgeSoon(origin, received));
  }

  /** Not at once: the echo of a keystroke is on its way, and an acknowledgement before it would delay it at every hop. */
  #acknowledgeSoon(origin: string, received: number): void {
    this.#unacknowledgedInput.set(origin, received);
    this.#inputAckTimer ??= setTimeout(() => this.#acknowledgeInput(), INPUT_ACK_DELAY_MS);
  }

  #acknowledgeInput(): void {
    clearTimeout(this.#inputAckTimer);
    this.#inputAckTimer = undefined;
    for (const [origin, bytes] of this.#unacknowledgedInput) this.#link?.inputAck(origin, bytes);
    this.#unacknowledgedInput.clear();
  }

  #parserOf(origin: string): RecordParser {
    const parser = this.#parsers.get(origin) ?? new RecordParser((type, payload) => this.#onInputRecord(type, payload));
    this.#parsers.delete(origin);
    this.#parsers.set(origin, parser);
    if (this.#parsers.size > ORIGINS_MAX) this.#parsers.delete(this.#parsers.keys().next().value!);
    return parser;
  }

  #onInputRecord(type: number, payload: Uint8Array): void {
    if (type === InputRecord.keys) {
      const keys = Buffer.from(payload);
      this.#inputPendingBytes += keys.length;
      if (this.#options.program.recordInput) this.#append(encodeRecord(OutputRecord.typed, keys));
      this.#pty.write(keys, () => (this.#inputPendingBytes -= keys.length));
    } else if (type === InputRecord.resize) {
      const size = terminalSize.safeParse(decodeSize(payload));
      if (!size.success) throw new WireError('RESIZE: the size is out of range');
      if (this.#exited) return;
      this.#pty.resize(size.data);
      this.#append(encodeSize(OutputRecord.resized, size.data.cols, size.data.rows));
    } else {
      throw new WireError(`record type: ${type} is no input`);
    }
  }

  #onClosed(code: number, reason: string): void {
    this.#link = undefined;
    this.#output.suspend();
    if (this.#output.full) this.#pty.pause();
    this.#log.debug({ closeCode: code, reason }, 'session-unlinked');
    // 4003: the relay has closed the record; the site says `session-forget` next.
    if (code === CloseCode.ended) this.#over = true;
    if (this.#forgotten || this.#over) return;
    clearTimeout(this.#redialTimer);
    // The relay is replaced: the ticket is asked for as soon as there is a control link, which is on its way down and up itself.
    const pauseMs = code === CloseCode.restarting ? Math.random() * RETURN_PAUSE_MS : this.#redial.next();
    this.#redialTimer = setTimeout(() => this.requestTicket(), pauseMs);
  }
}

/** Starts the login shell of the user this program runs as. */
function startShell(program: SessionProgram, events: PtyEvents): TerminalProcess {
  const user: LoginUser = readLoginUser();
  try {
    accessSync(user.shell, constants.X_OK);
  } catch {
    throw new Error(`The login shell ${user.shell} of ${user.name} cannot be started on this machine.`);
  }
  return startTerminal({
    file: user.shell,
    args: LOGIN_FLAG_SHELLS.has(basename(user.shell)) ? ['-l'] : [],
    env: shellEnvironment(user, program.term),
    directory: existsSync(user.home) ? user.home : parse(process.execPath).root,
    size: program.size,
    events,
  });
}
