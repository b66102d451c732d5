import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { dirname, resolve, sep } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '@bascule/log/log.ts';
import { agentHello, CloseCode, viewerHello } from '@bascule/protocol/data-link.ts';
import type { FromRelay, ToRelay } from '@bascule/protocol/relay-control.ts';
import { RecordingError } from '@bascule/recording/format.ts';
import { NO_HEADER, RecordingWriter, type DurableBatch } from '@bascule/recording/writer.ts';
import { WireError, type Frame } from '@bascule/wire/frames.ts';
import type { LinkSocket } from '@bascule/wire/web-socket.ts';
import { FrameLink } from './frame-link.ts';
import { LiveRecording } from './live-recordings.ts';
import { OutputTrack } from './output-track.ts';
import { PairData } from './pair-data.ts';
import { isCut, RelaySession, type RelayLimits } from './relay-session.ts';
import { RelayTickets } from './relay-tickets.ts';
import { Screens } from './screens.ts';
import type { ViewerLink } from './viewer-link.ts';

/** Data links of one client at a time, over all its sessions. */
export const LINKS_PER_CLIENT_MAX = 256;
/** How long the close frames get to leave when the program stops. */
const CLOSE_FLUSH_MS = 100;
const CLOSE_CHECK_MS = 2;
const SWEEP_EVERY_MS = 1000;
const PROGRESS_EVERY_SWEEPS = 10;

export interface RelayOptions {
  recordingsDir: string;
  /** The site's files and its directory: for the pair. */
  filesDir: string;
  siteDir: string;
  checkGeneration(): void;
  /** Another writer has taken over: the program must stop at once. */
  fenced(error: Error): void;
  log: Log;
  /** Free bytes of the recordings' file system; a test may give its own. */
  freeBytes?: () => Promise<number>;
}

type Message<K extends ToRelay['kind']> = Extract<ToRelay, { kind: K }>;

/** All sessions of the relay: who may connect to them, and main's orders. Works on without main. */
export class Relay {
  readonly #options: RelayOptions;
  readonly #tickets = new RelayTickets();
  /** A session that is being opened is a promise here, so that links that come early wait for it. */
  readonly #sessions = new Map<string, Promise<RelaySession | undefined>>();
  readonly #opened = new Map<string, RelaySession>();
  readonly #linksPerClient = new Map<string, number>();
  readonly #screens = new Screens();
  readonly #sweepTimer: NodeJS.Timeout;
  readonly #pair: PairData;
  #limits: RelayLimits | undefined;
  #emit: (message: FromRelay) => void = () => {};
  #spaceFault: string | undefined;
  #freeBytes = Number.POSITIVE_INFINITY;
  #sweeps = 0;
  #sweeping = false;
  /** A main has connected and has not configured yet. */
  #mainIsNew = false;
  /** Every link's socket until it is closed on both sides. */
  readonly #sockets = new Set<LinkSocket>();
  /** A viewer whose HELLO waited while somebody was cut comes back with a fresh ticket. */
  #viewerCuts = 0;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#pair = this.#openPair();
    this.#sweepTimer = setInterval(() => void this.#sweep(), SWEEP_EVERY_MS);
  }

  get sessionCount(): number {
    return this.#opened.size;
  }

  #openPair(): PairData {
    const { recordingsDir, filesDir, siteDir, checkGeneration, freeBytes, log } = this.#options;
    return new PairData({
      folders: { recordings: recordingsDir, files: filesDir },
      site: siteDir,
      checkGeneration,
      reserveBytes: () => this.#limits?.reserveBytes ?? 0,
      freeBytes,
      emit: (message) => this.#emit(message),
      exposedBytes: () => Array.from(this.#opened.values()).reduce((sum, session) => sum + session.exposedBytes, 0),
      changed: () => {
        for (const session of this.#opened.values()) session.acknowledge();
      },
      log,
    });
  }

  /** A connection of the pair's data link, unopened; `head` is what was read of it. */
  takePairLink(socket: Socket, head: Uint8Array): void {
    this.#pair.take(socket, head);
  }

  /** Where messages to main go; without main, nowhere: it asks again when it is back. */
  setMain(emit: ((message: FromRelay) => void) | undefined): void {
    this.#emit = emit ?? (() => {});
    this.#mainIsNew = emit !== undefined;
  }

  /** Does what main says (relay-control.ts). `configure` comes first. */
  handle(message: ToRelay): void {
    switch (message.kind) {
      case 'configure':
        if (this.#mainIsNew) this.#cutEarlierViewers();
        this.#mainIsNew = false;
        this.#limits = message.limits;
        for (const session of this.#opened.values()) session.setLimits(message.limits);
        void this.#measureSpace().then(() => this.#emit({ kind: 'configured' }));
        return;
      case 'session-open':
        return this.#open(message);
      case 'agent-ticket':
        return this.#tickets.add(message.ticketSha256, { ...message, kind: 'agent' });
      case 'viewer-ticket':
        return this.#tickets.add(message.ticketSha256, { ...message, kind: 'viewer' });
      case 'viewers-cut':
        this.#viewerCuts++;
        this.#tickets.cut((ticket) => ticket.kind === 'viewer' && isCut(ticket, message));
        for (const session of this.#opened.values()) session.cutViewers(message);
        return;
      case 'agent-cut':
        this.#tickets.cut((ticket) => ticket.kind === 'agent' && ticket.client === message.client);
        for (const session of this.#opened.values()) if (session.client === message.client) session.cutAgent();
        return;
      case 'session-end':
        void this.#sessions.get(message.session)?.then((session) => session?.end(message.reason, message.graceMs));
        return;
      case 'session-forget':
        return void this.#forget(message.session);
      case 'pair':
        this.#pair.order(message);
        // Whoever follows records nothing of its own: the clients go to the other appliance.
        if (this.#pair.hasLetGo) this.#letGoOfSessions();
    }
  }

  /** What was not written yet the clients still have, and give it to whoever records them now. */
  #letGoOfSessions(): void {
    for (const id of this.#sessions.keys()) void this.#forget(id, (session) => session.letGo());
  }

  /** An earlier main may have died between the end of a login session and its `viewers-cut`: whoever may still watch gets a fresh ticket from this one. */
  #cutEarlierViewers(): void {
    this.#viewerCuts++;
    this.#tickets.cut((ticket) => ticket.kind === 'viewer');
    for (const session of this.#opened.values()) session.closeViewers(CloseCode.restarting, 'the site is back: come back');
  }

  #open(message: Message<'session-open'>): void {
    const known = this.#opened.get(message.session);
    if (known) return known.announce();
    if (this.#sessions.has(message.session)) return;
    const opening = this.#openSession(message).then(
      (session) => {
        this.#opened.set(message.session, session);
        session.announce();
        return session;
      },
      (error: Error) => {
        this.#sessions.delete(message.session);
        this.#options.log.warn({ session: message.session, error: error.message }, 'session-open-failed');
        this.#emit({ kind: 'session-open-failed', session: message.session, reason: error.message });
        return undefined;
      },
    );
    this.#sessions.set(message.session, opening);
  }

  async #openSession(message: Message<'session-open'>): Promise<RelaySession> {
    const limits = this.#limits;
    if (!limits) throw new Error('the relay is not configured yet');
    await this.#pair.settled();
    if (this.#pair.hasLetGo) throw new Error('this appliance does not serve: it records nothing');
    const file = this.#recordingFile(message.file);
    const { recordings } = this.#pair;
    let live: LiveRecording | undefined;
    const durable = (batch: DurableBatch) => live && recordings.appended(live, batch);
    const { writer, track } = await this.#openWriter(file, message, { limits, durable });
    live = new LiveRecording(message.file, file, { fileBytes: writer.fileBytes, outBytes: writer.recordedBytes });
    recordings.add(live);
    return new RelaySession({
      pair: this.#pair,
      live,
      mayLack: this.#pair.mayLack(message.header.startedAtMs),
      session: message.session,
      client: message.client,
      endRequested: message.endRequested,
      typedBytes: message.inBytes,
      file,
      writer,
      track,
      limits,
      screens: this.#screens,
      emit: (event) => this.#emit(event),
      fenced: this.#options.fenced,
    });
  }

  async #openWriter(
    file: string,
    message: Message<'session-open'>,
    { limits, durable }: { limits: RelayLimits; durable(batch: DurableBatch): void },
  ): Promise<{ writer: RecordingWriter; track: OutputTrack }> {
    const { checkGeneration } = this.#options;
    // Of a session that the other appliance began and that this one took over, there may be nothing yet: the client has it, or it is a gap.
    const mayBeMissing = !message.resumed || this.#pair.mayLack(message.header.startedAtMs);
    const { size } = message.header;
    let track = new OutputTrack(size);
    if (existsSync(file)) {
      try {
        const writer = await RecordingWriter.reopen(
          file,
          'the relay started again',
          { checkGeneration, durable },
          {
            onOutput: (bytes) => track.push(bytes),
            onGap: (to) => track.gap(to),
            restore: (saved) => {
              const restored = OutputTrack.restore(size, saved);
              track = restored ?? track;
              return restored !== undefined;
            },
          },
        );
        if (writer.header.session !== message.session) throw new Error('the recording file belongs to another session');
        return { writer, track };
      } catch (error) {
        // Broken off before its header was durable: the session had not begun.
        if (!mayBeMissing || !(error instanceof RecordingError) || !error.message.startsWith(NO_HEADER)) throw error;
        rmSync(file);
      }
    } else if (!mayBeMissing) throw new Error('the recording of this running session is missing');
    if (this.#freeBytes < limits.reserveBytes)
      throw new Error('the recordings have no space left: free some, or lower what is kept free');
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    return { writer: await RecordingWriter.create(file, message.header, { checkGeneration, durable }), track };
  }

  #recordingFile(relative: string): string {
    const file = resolve(this.#options.recordingsDir, relative);
    if (!file.startsWith(resolve(this.#options.recordingsDir) + sep)) throw new Error('file: lies outside of the recordings');
    return file;
  }

  async #forget(id: string, stop = (session: RelaySession) => session.stop(CloseCode.ended)): Promise<void> {
    const opening = this.#sessions.get(id);
    const session = await opening;
    if (this.#sessions.get(id) !== opening) return;
    this.#sessions.delete(id);
    this.#opened.delete(id);
    if (session !== undefined) await stop(session);
  }

  /** A data link whose TLS client certificate names `client`. */
  acceptAgent(socket: LinkSocket, client: string): void {
    const links = (this.#linksPerClient.get(client) ?? 0) + 1;
    if (links > LINKS_PER_CLIENT_MAX) {
      // What it still sends may be no WebSocket frame at all.
      socket.on('error', () => {});
      return socket.close(CloseCode.limit, `at most ${LINKS_PER_CLIENT_MAX} links`);
    }
    this.#linksPerClient.set(client, links);
    this.#note(socket);
    let attached: RelaySession | undefined;
    const link = new FrameLink(socket, {
      hello: (json) => void this.#agentHello(link, json, client).then((session) => (attached = session)),
      frame: (frame, message) => this.#guard(link, () => needWelcomed(attached).agentFrame(link, frame, message)),
      closed: () => {
        attached?.agentClosed(link);
        const left = (this.#linksPerClient.get(client) ?? 1) - 1;
        if (left > 0) this.#linksPerClient.set(client, left);
        else this.#linksPerClient.delete(client);
      },
    });
  }

  async #agentHello(link: FrameLink, json: unknown, client: string): Promise<RelaySession | undefined> {
    const parsed = agentHello.safeParse(json);
    if (!parsed.success) return refuse(link, parsed.error.issues[0]?.path.join('.'));
    const use = this.#tickets.use(parsed.data.ticket, 'agent', Date.now());
    const ticket = 'ticket' in use && use.ticket.kind === 'agent' ? use.ticket : undefined;
    if (!ticket || ticket.client !== client || ticket.session !== parsed.data.session)
      return this.#refuseTicket(link, {
        client,
        session: parsed.data.session,
        why: 'refused' in use ? use.refused : 'bound-to-another',
      });
    // The agent sends nothing before WELCOME, so nothing is missed while a recording is being repaired.
    const session = await this.#sessions.get(ticket.session);
    if (!session || session.client !== client)
      return this.#refuseTicket(link, { client, session: ticket.session, why: 'no-session' });
    if (link.open) this.#guard(link, () => session.attachAgent(link, parsed.data));
    return session;
  }

  /** A viewer link, its Origin checked. */
  acceptViewer(socket: LinkSocket, address: string): void {
    let attached: { session: RelaySession; viewer: ViewerLink } | undefined;
    this.#note(socket);
    const link = new FrameLink(socket, {
      hello: (json) =>
        void this.#viewerHello(link, json, address, (session, viewer) => {
          attached = { session, viewer };
        }),
      frame: (frame: Frame, message) =>
        this.#guard(link, () => {
          const { session, viewer } = needWelcomed(attached);
          session.viewerFrame(viewer, frame, message);
        }),
      closed: () => attached?.session.viewerClosed(attached.viewer),
    });
  }

  #note(socket: LinkSocket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  async #viewerHello(
    link: FrameLink,
    json: unknown,
    address: string,
    attach: (session: RelaySession, viewer: ViewerLink) => void,
  ): Promise<void> {
    const parsed = viewerHello.safeParse(json);
    if (!parsed.success) return void refuse(link, parsed.error.issues[0]?.path.join('.'));
    const use = this.#tickets.use(parsed.data.ticket, 'viewer', Date.now());
    const ticket = 'ticket' in use && use.ticket.kind === 'viewer' ? use.ticket : undefined;
    if (!ticket) return void this.#refuseTicket(link, { address, why: 'refused' in use ? use.refused : 'other-kind' });
    const cuts = this.#viewerCuts;
    const session = await this.#sessions.get(ticket.session);
    if (cuts !== this.#viewerCuts) return link.close(CloseCode.restarting, 'the ticket may be void: come back');
    if (!session) return void this.#refuseTicket(link, { address, session: ticket.session, why: 'no-session' });
    if (!link.open) return;
    const viewer = session.attachViewer(link, parsed.data, ticket);
    if (viewer) attach(session, viewer);
  }

  #refuseTicket(link: FrameLink, details: Record<string, string>): undefined {
    this.#options.log.warn(details, 'relay-ticket-refused');
    link.close(CloseCode.ticket, 'the ticket is unknown, used or too old');
    return undefined;
  }

  #guard(link: FrameLink, work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      link.close(CloseCode.protocol, error.message);
    }
  }

  async #sweep(): Promise<void> {
    if (this.#sweeping) return;
    this.#sweeping = true;
    const nowMs = Date.now();
    this.#tickets.sweep(nowMs);
    await this.#measureSpace();
    const spaceLow = this.#limits !== undefined && this.#freeBytes < this.#limits.reserveBytes;
    const progress = ++this.#sweeps % PROGRESS_EVERY_SWEEPS === 0;
    for (const session of this.#opened.values()) {
      session.sweep(nowMs, spaceLow);
      session.check(nowMs);
      if (progress) session.reportProgress();
    }
    this.#sweeping = false;
  }

  async #measureSpace(): Promise<void> {
    try {
      this.#freeBytes = await (this.#options.freeBytes ?? (() => freeBytesOf(this.#options.recordingsDir)))();
      this.#spaceFault = undefined;
    } catch (error) {
      const { message } = error as Error;
      // Looked at each second: the same fault is said once.
      if (message !== this.#spaceFault) this.#options.log.error({ error: message }, 'recordings-space-unknown');
      this.#spaceFault = message;
    }
  }

  /** Closes all links, which come back to the next relay, and leaves every recording whole with its checkpoint. */
  async stop(): Promise<void> {
    clearInterval(this.#sweepTimer);
    const endMs = performance.now() + CLOSE_FLUSH_MS;
    await Promise.all(Array.from(this.#opened.values(), (session) => session.stop(CloseCode.restarting)));
    for (const socket of this.#sockets) socket.close(CloseCode.restarting);
    await this.#screens.close();
    await this.#pair.close();
    while (this.#sockets.size > 0 && performance.now() < endMs) await delay(CLOSE_CHECK_MS);
  }
}

function refuse(link: FrameLink, field: string | undefined): undefined {
  link.close(CloseCode.protocol, `HELLO ${field ?? ''}: does not fit its schema`);
  return undefined;
}

/** Neither side sends anything between HELLO and WELCOME. */
function needWelcomed<T>(attached: T | undefined): T {
  if (attached === undefined) throw new WireError('type: nothing is sent before WELCOME');
  return attached;
}

async function freeBytesOf(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}
