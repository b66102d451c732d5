/** Two appliances that are hit by faults, and what must be true of them afterwards (I1 to I6). */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { EstablishRequest, FailoverState } from '@bascule/protocol/api/failover.ts';
import { ApiClient, ApiFailure } from './api-client.ts';
import { PairFaults } from './pair-faults.ts';
import { PAIR_LIMIT_MS, PairScene, type PairSide } from './pair-scene.ts';
import { missingAt, PairWriter } from './pair-writer.ts';
import { SharedAddress } from './shared-address.ts';
import { TypingSession } from './typing-session.ts';
import { SITE_PASSWORD } from './upgrade-scene.ts';
import type { LaunchOptions } from './launch-appliance.ts';
import { PairWay } from './pair-way.ts';

const LOOK_INTERVAL_MS = 200;
const KEY_EVERY_MS = 50;
/** What two sides of a pair that was hit can be in without anybody doing anything; then a person does something. */
const BY_THEMSELVES_MS = 15_000;

/** Who is primary now is it still after this. */
const STABLE_MS = 1000;
/** A person who was refused tries again after so long. */
const ASK_AGAIN_MS = 3000;

/** The line of the log that goes with a gap. */
const OUTPUT_MISSING = '"event":"session-output-missing"';

type States = readonly [FailoverState, FailoverState];

export interface PairFaultOptions extends LaunchOptions {
  mode?: 'async' | 'sync';
  /** Each side reaches the other through a way that can be broken. */
  withWays?: boolean;
  ofSide?: Partial<Record<'a' | 'b', LaunchOptions>>;
  /** Nobody types. */
  withoutSession?: boolean;
}

export class PairFaultScene implements AsyncDisposable {
  readonly scene: PairScene;
  readonly faults: PairFaults;
  readonly shared: SharedAddress;
  /** To each side; empty without ways. */
  readonly ways: { a: PairWay; b: PairWay } | undefined;
  readonly #mode: 'async' | 'sync';
  #session: TypingSession | undefined;
  #writers: PairWriter[] = [];
  #askedMs = -Infinity;

  private constructor(
    parts: { scene: PairScene; faults: PairFaults; shared: SharedAddress; ways: { a: PairWay; b: PairWay } | undefined },
    mode: 'async' | 'sync',
  ) {
    this.scene = parts.scene;
    this.faults = parts.faults;
    this.shared = parts.shared;
    this.ways = parts.ways;
    this.#mode = mode;
  }

  /** A pair that follows, with `a` as primary, a session that types through the shared address, and somebody who makes changes at each side whenever it takes them. */
  static async start(options: PairFaultOptions = {}): Promise<PairFaultScene> {
    const { mode = 'async', withWays = false, withoutSession = false, ofSide, ...launch } = options;
    const faults = new PairFaults();
    const scene = await PairScene.start({ ...launch, environment: { ...launch.environment, ...faults.environment } }, ofSide);
    const shared = await SharedAddress.start();
    const { a, b } = scene;
    const ways = withWays
      ? { a: await PairWay.to(a.endpointOf(), '127.0.0.3'), b: await PairWay.to(b.endpointOf(), '127.0.0.4') }
      : undefined;
    const begun = new PairFaultScene({ scene, faults, shared, ways }, mode);
    try {
      await begun.#begin(withoutSession);
      return begun;
    } catch (error) {
      await begun[Symbol.asyncDispose]();
      throw error;
    }
  }

  get session(): TypingSession {
    assert.ok(this.#session, 'nobody types here');
    return this.#session;
  }

  /** What was answered for, at either side. */
  get acknowledged(): string[] {
    return this.#writers.flatMap(({ acknowledged }) => acknowledged);
  }

  /** What was answered for at one side. */
  acknowledgedAt(name: PairSide['name']): string[] {
    return this.acknowledged.filter((one) => one.startsWith(`at-${name}-`));
  }

  /** What a person enters to establish the relationship with `primary`. */
  request(primary: PairSide, { withCertificate = false } = {}): EstablishRequest {
    const backup = this.scene.other(primary);
    const endpointOf = (side: PairSide) => this.ways?.[side.name].endpoint ?? side.endpoint;
    return { backup: endpointOf(backup), primary: endpointOf(primary), withCertificate, mode: this.#mode };
  }

  async #begin(withoutSession: boolean): Promise<void> {
    const { scene, shared } = this;
    const { a, b } = scene;
    if (!withoutSession) {
      await a.appliance.startJumpClient({ name: 'far' });
      await a.site.onlineItem('far');
    }
    await scene.establish(a, this.request(a));
    shared.moveTo(a.endpointOf());
    if (!withoutSession) {
      const api = await ApiClient.pin(shared.url);
      api.agent.options.rejectUnauthorized = false;
      await api.logIn('admin', SITE_PASSWORD);
      this.#session = await TypingSession.start(api, await api.onlineItem('far'), KEY_EVERY_MS);
    }
    this.#writers = [new PairWriter(a, 'at-a'), new PairWriter(b, 'at-b')];
  }

  /**
   * After a fault: waits until one is primary and the other follows and has everything, doing what a person is offered where nothing happens by itself; traffic goes to the primary.
   * Then everything that was answered for is there (I4), and nobody had changes that the other lacks (I5).
   */
  async settle(): Promise<PairSide> {
    const acknowledged = [...this.acknowledged];
    const { primary, missing } = await this.#untilCompared(acknowledged);
    assert.deepEqual(missing, [], 'changes that were answered for are gone');
    for (const side of this.scene.sides) {
      const { archives } = await side.state();
      assert.deepEqual(archivedFor(archives, 'discarded'), [], `${side.name} wrote what the other lacks`);
    }
    return primary;
  }

  /** Something that was begun before may still change the roles: then it is looked again. */
  async #untilCompared(acknowledged: readonly string[]): Promise<{ primary: PairSide; missing: string[] }> {
    for (;;) {
      const primary = await this.#untilPair();
      this.shared.moveTo(primary.endpointOf());
      const missing = await missingAt(primary, acknowledged).catch(() => undefined);
      await delay(STABLE_MS);
      if (missing !== undefined && (await this.#untilPair()) === primary) return { primary, missing };
    }
  }

  /** What either appliance said of output that no recording has (I2). */
  outputMissing(): string[] {
    return this.scene.sides.flatMap(({ appliance }) => {
      const file = join(appliance.paths.logs, 'appliance.log');
      return readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line.includes(OUTPUT_MISSING));
    });
  }

  /** Keys of the session arrive again (I1). */
  async typesAgain(): Promise<void> {
    const { session } = this;
    const before = session.typedBytes;
    const endMs = performance.now() + PAIR_LIMIT_MS;
    while (session.typedBytes <= before || session.unconfirmedBytes > 0) {
      assert.ok(performance.now() < endMs, 'keys of the session do not arrive any more');
      await delay(LOOK_INTERVAL_MS);
    }
    assert.deepEqual(session.differencesSoFar(), []);
    assert.deepEqual(this.outputMissing(), [], 'the recording has a gap');
  }

  async #untilPair(): Promise<PairSide> {
    const { a, b } = this.scene;
    const endMs = performance.now() + 2 * PAIR_LIMIT_MS;
    let known = '';
    let sinceMs = performance.now();
    for (;;) {
      const states = await Promise.all([a.state(), b.state()]).catch(() => undefined);
      if (states !== undefined) {
        const primary = primaryOf(states);
        if (primary !== undefined) return primary === 0 ? a : b;
        const now = situationOf(states);
        if (now !== known) [known, sinceMs] = [now, performance.now()];
        await this.#actAsPerson(states, performance.now() - sinceMs);
      }
      if (performance.now() > endMs) {
        const told = states === undefined ? 'they do not answer' : situationOf(states);
        a.appliance.fail(new Error(`no pair comes of it: ${told}\n${b.appliance.logTail()}`));
      }
      await delay(LOOK_INTERVAL_MS);
    }
  }

  /** What the pages offer, once. */
  async #actAsPerson(states: States, unchangedMs: number): Promise<void> {
    if (states.some(({ busy }) => busy !== null)) return;
    const { a, b } = this.scene;
    try {
      for (const [index, side] of [a, b].entries()) {
        const own = states[index];
        const other = states[1 - index];
        if (own === undefined || other === undefined) return;
        if (own.self.role === 'single' && other.self.role === 'read-only') return await this.#establishAgain(side);
        if (own.conflict?.kind === 'both-backup' && unchangedMs > BY_THEMSELVES_MS)
          return await side.act('fix', { keep: own.conflict.recommended ?? own.self.appliance });
      }
    } catch (error) {
      // Something else goes on by now, or the other side is not ready: the next look tells.
      if (!(error instanceof ApiFailure) && !isConnectionError(error)) throw error;
    }
  }

  /** Proofs of the pre-shared key from one address are let in at a limited rate. */
  async #establishAgain(side: PairSide): Promise<void> {
    if (performance.now() - this.#askedMs < ASK_AGAIN_MS) return;
    this.#askedMs = performance.now();
    await side.act('establish', this.request(side));
  }

  /** `error` with what the programs of both said; their folders are kept. */
  told(error: unknown): unknown {
    let told = error;
    for (const { appliance } of this.scene.sides)
      try {
        appliance.fail(told);
      } catch (more) {
        told = more;
      }
    return told;
  }

  async stopWriting(): Promise<void> {
    await Promise.all(this.#writers.map((writer) => writer.stop()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.faults.goOn();
    await this.stopWriting();
    this.#session?.[Symbol.dispose]();
    await this.scene[Symbol.asyncDispose]();
    await this.shared[Symbol.asyncDispose]();
    await this.ways?.a[Symbol.asyncDispose]();
    await this.ways?.b[Symbol.asyncDispose]();
    this.faults[Symbol.dispose]();
  }
}

/** The index of the primary of a pair that follows. */
function primaryOf(states: States): number | undefined {
  if (states.some(({ busy, conflict }) => busy !== null || conflict !== null)) return undefined;
  const index = states.findIndex(({ self }) => self.role === 'primary');
  const [own, other] = [states[index], states[1 - index]];
  const follows = own?.copy?.state === 'following' && other?.copy?.state === 'following' && own.copy.lagChanges < 10;
  return follows && other.self.role === 'backup' ? index : undefined;
}

function situationOf(states: States): string {
  return JSON.stringify(
    states.map(({ self, peerState, conflict, readOnly, copy, busy, failed }) => ({
      role: self.role,
      epoch: self.epoch,
      peerState,
      conflict: conflict?.kind,
      readOnly,
      copy: copy?.state,
      stopped: copy?.stopped?.code,
      busy: busy?.what,
      failed: failed?.text,
    })),
  );
}

function archivedFor(archives: FailoverState['archives'], reason: string): string[] {
  return archives.filter((one) => one.reason === reason).map(({ id }) => id);
}

function isConnectionError(error: unknown): boolean {
  return error instanceof Error && ('code' in error || error.message.startsWith('no answer'));
}
