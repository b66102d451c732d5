/** Moving a site from another box to this one as a guided plan, with nothing lost: a failover relationship for the time of the move (B203-B206; docs/decisions/0360). */
import { randomBytes } from 'node:crypto';
import type { KeyWrap } from '@bascule/accounts/key-wrap.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { AnyRoute } from '@bascule/http/http-server.ts';
import type { Log } from '@bascule/log/log.ts';
import type { BoxSettingsFile, SettingsPreview } from '@bascule/protocol/api/box-settings.ts';
import type { Endpoint } from '@bascule/protocol/api/failover.ts';
import {
  MOVE_STEPS,
  transferCodeContent,
  type MoveLook,
  type MoveOverview,
  type MoveState,
  type TransferCodeContent,
} from '@bascule/protocol/api/move.ts';
import { SYSTEM, type AuditEvent, type Context, type Tx } from '@bascule/store/store.ts';
import { moveChecks, type NewBox } from './move-checks.ts';
import { checksFailed, codeUnreadable, moveRunning, notNow, oldSaidNo } from './move-errors.ts';
import * as events from './move-events.ts';
import { moveRoutes } from './move-routes.ts';
import { STEP_WORK, type Looked, type StepPorts } from './move-steps.ts';
import { readMoveValue, writeMoveValue, type MoveValue } from './move-store.ts';
import { OldBoxClient } from './old-box-client.ts';
import { moveIdOf, OldBox, secretHash, type OldBoxOptions } from './old-box.ts';

export { moveMigrations } from './move-migrations.ts';

/** The step that is under way is looked at so often. */
const LOOK_INTERVAL_MS = 1000;
/** Before a step that failed is tried again: so long at first, at most so long. */
const RETRY_FIRST_MS = 2000;
const RETRY_MAX_MS = 60_000;
const CODE_PURPOSE = 'transfer code of a move';
const KEY_PURPOSE = 'pre-shared key of a move';

type Progress = Pick<MoveState, 'doing' | 'done' | 'total'>;
const NO_PROGRESS: Progress = { doing: '', done: null, total: null };

export interface MoveOptions extends Omit<OldBoxOptions, 'settings'> {
  keyWrap: KeyWrap;
  settings: {
    read(options: { withSecrets: boolean }): Promise<BoxSettingsFile>;
    parse(text: string): BoxSettingsFile;
    describe(file: BoxSettingsFile): Promise<SettingsPreview>;
    apply(file: BoxSettingsFile, context: Context, choice: { parts: string[] }): Promise<void>;
  };
  freeBytes(): number;
  log: Log;
}

export class Move {
  readonly oldBox: OldBox;
  readonly #options: MoveOptions;
  #client: OldBoxClient | undefined;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  /** Of the step that is under way. */
  #progress: Progress = NO_PROGRESS;
  #clientsBack = 0;
  #failures = 0;
  #retryAtMs = -Infinity;

  constructor(options: MoveOptions) {
    this.#options = options;
    const settings = async (withSecrets: boolean) => JSON.stringify(await options.settings.read({ withSecrets }));
    this.oldBox = new OldBox({ ...options, settings });
  }

  routes(): AnyRoute[] {
    return moveRoutes(this);
  }

  /** Goes on with a move that a restart cut. */
  start(): void {
    this.#timer = setInterval(() => {
      this.oldBox.look();
      this.lookSoon();
    }, LOOK_INTERVAL_MS).unref();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }

  /** For the header of pages: this box is a signpost. */
  get moved(): { appliance: string; url: string } | undefined {
    const moved = this.oldBox.moved;
    return moved && { appliance: moved.appliance, url: moved.url };
  }

  async overview(): Promise<MoveOverview> {
    const { code, moved } = this.oldBox;
    return {
      code: code === undefined ? null : { validUntilMs: code.validUntilMs, usedBy: code.usedBy },
      moved: moved ?? null,
      move: this.#shown(),
      addresses: this.#options.addresses(),
    };
  }

  /** Asks the old box, and changes nothing. Throws `MOVE_CODE_UNREADABLE`, `MOVE_CODE_REFUSED`, `MOVE_OLD_UNREACHABLE`, `MOVE_OLD_IS_ANOTHER`. */
  async look({ code }: { code: string; own: Endpoint }): Promise<MoveLook> {
    const client = new OldBoxClient(readCode(code));
    const old = await client.ask({ kind: 'look' });
    if (old.kind !== 'look') throw oldSaidNo('MOVE_OLD_FAILED', 'it answered something else than was asked');
    const { settings } = this.#options;
    const { appliance, baseVersion, siteVersion, publicHost, databaseBytes, clientsOnline, sessions } = old;
    return {
      old: { appliance, baseVersion, siteVersion, publicHost, databaseBytes, clientsOnline, sessions },
      checks: moveChecks(old, await this.#newBox()),
      settings: await settings.describe(settings.parse(old.settings)).catch(() => null),
    };
  }

  /** Begins to move the site here. Throws as `look`, `MOVE_CHECKS_FAILED` and `MOVE_RUNNING`. */
  async begin(context: Context, { code, own, parts }: { code: string; own: Endpoint; parts: string[] }): Promise<void> {
    if (isUnderWay(this.#move)) throw moveRunning();
    const { endings } = this.oldBox;
    if (endings.isPending) await endings.tell();
    const content = readCode(code);
    const { old, checks } = await this.look({ code, own });
    const red = checks.find(({ outcome }) => outcome === 'red');
    if (red !== undefined) throw checksFailed(red.text);
    // What ends a move of before would end this one.
    if (isUnderWay(this.#move) || endings.isPending) throw moveRunning();
    const { store, keyWrap, now } = this.#options;
    const wrap = (text: string, purpose: string) => Buffer.from(keyWrap.wrap(Buffer.from(text), purpose)).toString('base64');
    const state: MoveState = {
      id: `mov_${randomBytes(16).toString('hex')}`,
      state: 'running',
      step: 'keys',
      old: { appliance: old.appliance, endpoint: content.endpoints[0]! },
      startedAtMs: now(),
      startedBy: context.actor.name,
      endedAtMs: null,
      ...NO_PROGRESS,
      problem: null,
      clients: null,
    };
    const oldMove = moveIdOf(secretHash(content.secret), this.#options.applianceName);
    const wrapped = {
      wrapped: wrap(JSON.stringify(content), CODE_PURPOSE),
      wrappedKey: wrap(randomBytes(24).toString('base64url'), KEY_PURPOSE),
    };
    store.transact(context, events.moveBegun({ old: old.appliance }), (tx) =>
      writeMoveValue(tx, 'move', { state, own, parts, ...wrapped, oldMove, stepAtMs: now() }),
    );
    this.#client = undefined;
    this.lookSoon();
  }

  /** This box takes over now. Throws `MOVE_NOT_NOW`. */
  switchNow(context: Context): void {
    const move = this.#move;
    if (move?.state.state !== 'waiting' || move.state.step !== 'ready') throw notNow('the switch');
    this.#write(context, events.moveSwitched({ old: move.state.old.appliance }), this.#at(move, 'switch'));
    this.lookSoon();
  }

  /** The old box is gone for good: nobody tells it, and the relationship ends here. Throws `MOVE_NOT_NOW`. */
  finishWithoutOld(context: Context): void {
    const move = this.#move;
    if (move === undefined || !isUnderWay(move) || (move.state.step !== 'finish' && move.state.step !== 'recordings'))
      throw notNow('the end without the old box');
    this.#end(context, move, 'done', events.moveDone({ old: move.state.old.appliance }), (tx) => this.#noteEnding(tx, move));
    void this.oldBox.endings.tell();
  }

  /** Before the switch: the old box goes on serving, this one keeps what it has copied as read-only. Throws `MOVE_NOT_NOW`. */
  async cancel(context: Context): Promise<void> {
    const move = this.#move;
    const switchAt = MOVE_STEPS.indexOf('switch');
    if (move === undefined || !isUnderWay(move) || MOVE_STEPS.indexOf(move.state.step) >= switchAt) throw notNow('to cancel it');
    this.#end(context, move, 'cancelled', events.moveCancelled({ old: move.state.old.appliance }), (tx) =>
      this.#noteEnding(tx, move),
    );
    const { log } = this.#options;
    await this.#clientOf(move)
      .ask({ kind: 'cancel', move: move.oldMove })
      .catch((error: unknown) => log.warn({ err: error }, 'move.old-not-told'));
    await this.oldBox.endings.tell();
  }

  /** The own site is told that the move is over until it has heard. */
  #noteEnding(tx: Tx, { state }: MoveValue<'move'>): void {
    this.oldBox.endings.note(tx, { plan: state.id, step: orderNumber('finish'), side: 'new' });
  }

  lookSoon(): void {
    const move = this.#move;
    if (move?.state.state !== 'running' || performance.now() < this.#retryAtMs) return;
    this.#looking ??= this.#lookAtStep(move).finally(() => (this.#looking = undefined));
  }

  get #move(): MoveValue<'move'> | undefined {
    return readMoveValue(this.#options.store, 'move');
  }

  async #lookAtStep(move: MoveValue<'move'>): Promise<void> {
    const { step } = move.state;
    try {
      const looked = step === 'ready' ? 'done' : await STEP_WORK[step](this.#ports(move), move);
      const now = this.#move;
      // Cancelled, or ended, meanwhile.
      if (now?.state.id !== move.state.id || now.state.state !== 'running' || now.state.step !== step) return;
      this.#failures = 0;
      if (looked === 'done') this.#next(now);
      else this.#says(now, looked);
    } catch (error) {
      this.#failed(move, error);
    }
  }

  #next(move: MoveValue<'move'>): void {
    const { step, old } = move.state;
    const next = MOVE_STEPS[MOVE_STEPS.indexOf(step) + 1];
    if (next === undefined) return this.#end(SYSTEM, move, 'done', events.moveDone({ old: old.appliance }));
    this.#write(SYSTEM, events.moveStepDone({ step, next }), this.#at(move, next));
    this.lookSoon();
  }

  /** What did not go on is written down once, said on the page, and tried again. */
  #failed(move: MoveValue<'move'>, error: unknown): void {
    const { log } = this.#options;
    this.#failures += 1;
    this.#retryAtMs = performance.now() + Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** (this.#failures - 1));
    if (!(error instanceof AppError)) log.error({ err: error, step: move.state.step }, 'move.step-failed');
    const problem = error instanceof AppError ? error.message : 'This box failed at it; its log says more.';
    const now = this.#move;
    if (now?.state.id !== move.state.id || now.state.state !== 'running') return;
    if (now.state.problem !== problem)
      this.#write(SYSTEM, events.moveProblem({ step: move.state.step, problem }), { ...now, state: { ...now.state, problem } });
  }

  #at(move: MoveValue<'move'>, step: MoveState['step']): MoveValue<'move'> {
    const isReady = step === 'ready';
    this.#progress = NO_PROGRESS;
    return {
      ...move,
      stepAtMs: this.#options.now(),
      state: { ...move.state, problem: null, step, state: isReady ? 'waiting' : 'running' },
    };
  }

  #end(context: Context, move: MoveValue<'move'>, state: 'done' | 'cancelled', event: AuditEvent, also?: (tx: Tx) => void): void {
    const ended = { ...move.state, state, endedAtMs: this.#options.now(), problem: null };
    this.#progress = NO_PROGRESS;
    // The code and the key are worth nothing any more, and are not kept.
    this.#write(context, event, { ...move, wrapped: '', wrappedKey: '', state: ended }, also);
    this.#client = undefined;
  }

  #ports(move: MoveValue<'move'>): StepPorts {
    const { applianceName, publicHost, publicPort, host, settings, keyWrap, now } = this.#options;
    const client = this.#clientOf(move);
    return {
      applianceName,
      url: `https://${publicHost}${publicPort === 443 ? '' : `:${publicPort}`}/login`,
      now,
      key: () => Buffer.from(keyWrap.unwrap(Buffer.from(move.wrappedKey, 'base64'), KEY_PURPOSE)).toString(),
      askOld: (question) => client.ask(question),
      oldEndpoint: () => client.endpoint,
      order: async (order, step) => {
        const { outcome, error, result } = await host.pairDo(move.state.id, orderNumber(step), order);
        if (outcome === 'failed') throw new AppError('conflict', 'MOVE_SITE_SAID_NO', error ?? 'The site gave no reason.');
        return { outcome, result };
      },
      applySettings: (text, parts) => settings.apply(settings.parse(text), byMove(move), { parts }),
      clientsHere: async () => (await host.sitePreflight()).clientsOnline,
      noteClientsBefore: (before) =>
        this.#write(SYSTEM, events.moveClients({ before }), { ...move, state: { ...move.state, clients: { before, back: 0 } } }),
      showClientsBack: (back) => (this.#clientsBack = back),
    };
  }

  /** The problem of before is over once the step goes on. */
  #says(move: MoveValue<'move'>, { doing, done, total }: Exclude<Looked, 'done'>): void {
    this.#progress = { doing, done: done ?? null, total: total ?? null };
    const { step, problem } = move.state;
    if (problem !== null) this.#write(SYSTEM, events.moveGoesOn({ step }), { ...move, state: { ...move.state, problem: null } });
  }

  #shown(): MoveState | null {
    const state = this.#move?.state;
    if (state === undefined) return null;
    const clients = state.clients && { ...state.clients, back: Math.max(state.clients.back, this.#clientsBack) };
    return { ...state, ...this.#progress, clients };
  }

  #write(context: Context, event: AuditEvent, move: MoveValue<'move'>, also?: (tx: Tx) => void): void {
    this.#options.store.transact(context, event, (tx) => {
      writeMoveValue(tx, 'move', move);
      also?.(tx);
    });
  }

  #clientOf(move: MoveValue<'move'>): OldBoxClient {
    const unwrapped = this.#options.keyWrap.unwrap(Buffer.from(move.wrapped, 'base64'), CODE_PURPOSE);
    this.#client ??= new OldBoxClient(transferCodeContent.parse(JSON.parse(Buffer.from(unwrapped).toString())));
    return this.#client;
  }

  async #newBox(): Promise<NewBox> {
    const { applianceName, publicHost, publicPort, versions, host, freeBytes, now } = this.#options;
    const site = await host.sitePreflight().catch(() => undefined);
    return {
      appliance: applianceName,
      siteVersion: versions().site,
      publicHost,
      publicPort,
      freeBytes: freeBytes(),
      nowMs: now(),
      role: host.pairState?.role ?? null,
      clientsOnline: site?.clientsOnline ?? null,
    };
  }
}

function isUnderWay(move: MoveValue<'move'> | undefined): boolean {
  return move?.state.state === 'running' || move?.state.state === 'waiting';
}

/** Orders of one move to the own site, by step; one that failed is given again by being asked for again. */
function orderNumber(step: MoveState['step']): number {
  return MOVE_STEPS.indexOf(step) + 1;
}

function byMove({ state }: MoveValue<'move'>): Context {
  return { ...SYSTEM, actor: { ...SYSTEM.actor, name: `move from ${state.old.appliance} by ${state.startedBy}`.slice(0, 200) } };
}

function readCode(text: string): TransferCodeContent {
  try {
    return transferCodeContent.parse(JSON.parse(Buffer.from(text.trim().slice('bt1.'.length), 'base64url').toString()));
  } catch {
    throw codeUnreadable();
  }
}
