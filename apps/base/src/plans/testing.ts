/** Two appliances without processes, for plans: what runs where, who is what, and whose answers get lost. */
import { must } from '@bascule/core/must.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { PairRole } from '@bascule/protocol/api/failover.ts';
import type { BoxAnswer, BoxQuestion, PlanKind } from '@bascule/protocol/api/plans.ts';
import { INSTALLATION_STEPS, type Installation } from '@bascule/protocol/api/updates.ts';
import type { PairOrder } from '@bascule/protocol/base-site.ts';
import { newCore } from './plan-state.ts';
import { NOTHING_MEASURED, type Party, type PlanRecord } from './plan-contract.ts';
import type { PairDone, PlanPorts } from './plan-ports.ts';
import { layPlan, type SideFacts } from './plan-steps.ts';

export const PLAN = 'pln_01920c5e-7000-7000-8000-000000000001';
export const OLD = { base: '0.1.0', site: '0.1.0' };
export const NEW = { base: '0.2.0', site: '0.2.0' };
const NO_PARAMS = {};

interface Side {
  name: string;
  base: string;
  site: string;
  role: PairRole;
  schema: number;
  running: { id: string; target: string; kind: 'base' | 'site'; to: string; looks: number } | null;
  installations: Map<string, { id: string; outcome: Installation['outcome']; code?: string }>;
}

/** The world of one plan. What each call does really happens, whether its answer arrives or not. */
export class TwoAppliances implements PlanPorts {
  readonly sides: Record<Party, Side>;
  isBroken = false;
  /** Versions that came into use, per side, in order: nothing twice in effect. */
  readonly effects: string[] = [];
  /** Why an installation fails, by `side target`; taken away when it did. */
  readonly failing = new Map<string, string>();
  /** May throw before or after what is asked happens. */
  disturb: (when: 'before' | 'after', what: string) => void = () => undefined;
  isPeerDeaf = false;
  testSession: 'passed' | 'failed' | 'no-client' = 'passed';
  nowMs = 1_000_000;
  readonly #isPair: boolean;
  #ids = 0;

  constructor(kind: PlanKind) {
    this.#isPair = kind !== 'single';
    const side = (name: string, role: PairRole): Side => ({
      name,
      ...OLD,
      role,
      schema: 1,
      running: null,
      installations: new Map(),
    });
    this.sides = { self: side('A', this.#isPair ? 'primary' : 'single'), peer: side('B', 'backup') };
  }

  /** The record of a plan of `kind` for this world, before it is started. */
  static record(kind: PlanKind): PlanRecord {
    const facts = (name: string, role: PairRole): SideFacts => ({
      name,
      role,
      ...OLD,
      packages: [
        { kind: 'base', target: 'base/0.2.0', version: NEW.base },
        { kind: 'site', target: 'site/0.2.0', version: NEW.site },
      ],
    });
    const self = facts('A', kind === 'single' ? 'single' : 'primary');
    const peer = kind === 'single' ? undefined : facts('B', 'backup');
    const steps = layPlan({ kind, self, peer, expectedSeconds: () => 10 });
    return {
      kind,
      createdAtMs: 1_000_000,
      by: 'Ada',
      startedAtMs: null,
      endedAtMs: null,
      sides: [self, ...(peer === undefined ? [] : [peer])].map(({ name, role }) => ({
        appliance: name,
        role,
        ...OLD,
        targetBase: NEW.base,
        targetSite: NEW.site,
      })),
      primary: 'A',
      windows: [],
      consumersByAddress: [],
      acceptedBy: { 'base/0.2.0': 'Ada', 'site/0.2.0': 'Ada' },
      measured: { ...NOTHING_MEASURED },
      report: null,
      core: newCore(steps),
    };
  }

  #tested(): NonNullable<BoxAnswer['testSession']> {
    const outcome = this.testSession;
    return {
      outcome,
      session: null,
      item: 'far',
      ...(outcome === 'failed' && { error: 'The shell did not answer within 15 s.' }),
    };
  }

  get primaries(): string[] {
    return Object.values(this.sides)
      .filter(({ role }) => role === 'primary')
      .map(({ name }) => name);
  }

  now(): number {
    return this.nowMs;
  }

  withoutServiceMs(): number {
    return 12;
  }

  serviceAsked(): { url: string; answeredBy: string[]; notAskedMs: number } {
    return { url: 'https://shared.example/login', answeredBy: ['192.0.2.1'], notAskedMs: 0 };
  }

  async ask(party: Party, question: BoxQuestion): Promise<BoxAnswer> {
    if (party === 'peer' && (!this.#isPair || this.isPeerDeaf)) throw silent('B');
    this.disturb('before', question.kind);
    const answer = this.#answer(this.sides[party], question);
    this.disturb('after', question.kind);
    return answer;
  }

  async pairDo(_plan: string, _step: number, order: PairOrder): Promise<PairDone> {
    this.disturb('before', order.kind);
    const done = this.#do(order);
    this.disturb('after', order.kind);
    return done;
  }

  #answer(side: Side, question: BoxQuestion): BoxAnswer {
    switch (question.kind) {
      case 'software':
        if (side.running !== null) this.#look(side, side.running.id);
        return { ok: true, software: this.#software(side) };
      case 'install':
        return this.#install(side, question);
      case 'roll-back':
        return this.#rollBack(side, question);
      case 'installation':
        return { ok: true, installation: this.#look(side, question.id) };
      case 'test-session':
        return { ok: true, testSession: this.#tested() };
      case 'sessions':
        return {
          ok: true,
          sessions: {
            running: ['one', 'two'],
            clientsOnline: 3,
            clients: { total: 3, current: 1, pending: 2, absent: 0, failed: 0, other: 0 },
          },
        };
      default:
        return { ok: true };
    }
  }

  #software(side: Side): NonNullable<BoxAnswer['software']> {
    const installable = (['base', 'site'] as const)
      .filter((kind) => side[kind] !== NEW[kind])
      .map((kind) => ({
        target: `${kind}/${NEW[kind]}`,
        kind,
        version: NEW[kind],
        downloaded: true,
        sha256: null,
        eulaAcceptedBy: null,
        expectedSeconds: null,
      }));
    const { base, site, role, running } = side;
    return { base, site, installable, running: running?.id ?? null, isReady: true, role };
  }

  #install(side: Side, { target, attempt, plan }: Extract<BoxQuestion, { kind: 'install' }>): BoxAnswer {
    const [kind, to] = target.split('/') as ['base' | 'site', string];
    if (side[kind] === to) return { ok: true };
    return this.#begin(side, `${plan} ${target} ${attempt}`, target, kind, to);
  }

  #rollBack(side: Side, { package: kind, version, attempt, plan }: Extract<BoxQuestion, { kind: 'roll-back' }>): BoxAnswer {
    if (side.running === null && side[kind] === version) return { ok: true };
    if (side.running !== null) return { ok: true, id: side.running.id };
    return this.#begin(side, `${plan} back ${kind} ${attempt}`, `back ${kind}`, kind, version);
  }

  #begin(side: Side, key: string, target: string, kind: 'base' | 'site', to: string): BoxAnswer {
    const known = side.installations.get(key);
    if (known !== undefined) return { ok: true, id: known.id };
    if (side.running !== null) return { ok: false, error: { code: 'INSTALLATION_RUNNING', message: 'Another is running.' } };
    const id = `ins_${++this.#ids}`;
    side.installations.set(key, { id, outcome: 'running' });
    side.running = { id, target, kind, to, looks: 2 };
    return { ok: true, id };
  }

  /** Time passes by looking: each look brings an installation on. */
  #look(side: Side, id: string): Installation {
    const known = must(
      [...side.installations.values()].find((one) => one.id === id),
      'the installation',
    );
    const { running } = side;
    if (running?.id === id && --running.looks === 0) {
      side.running = null;
      const failure = this.failing.get(`${side.name} ${running.target}`);
      if (failure === undefined) {
        side[running.kind] = running.to;
        if (running.kind === 'site' && running.to === NEW.site && side.role !== 'backup' && side.role !== 'read-only')
          this.#migrate(side);
        this.effects.push(`${side.name} ${running.kind} ${running.to}`);
        known.outcome = 'installed';
      } else {
        this.failing.delete(`${side.name} ${running.target}`);
        known.outcome = 'rolled-back';
        known.code = failure;
      }
    }
    return installation(id, known.outcome, known.code);
  }

  #do(order: PairOrder): PairDone {
    const { self, peer } = this.sides;
    const done: PairDone = { outcome: 'done' };
    switch (order.kind) {
      case 'state':
        return { outcome: 'done', result: this.#view() };
      case 'sign':
        return { outcome: 'done', result: { signature: 'c2lnbmVk', certificate: 'PEM' } };
      case 'break':
        if (this.isBroken) return done;
        this.isBroken = true;
        for (const side of [self, peer]) if (side.role === 'backup') side.role = 'read-only';
        this.effects.push('broken');
        return done;
      case 'swap':
        return this.#swap(order.primary);
      case 'establish-again': {
        if (!this.isBroken) return done;
        if (self.base !== peer.base || self.site !== peer.site) return { outcome: 'failed', error: 'The packages differ.' };
        this.isBroken = false;
        for (const side of [self, peer]) side.role = side.name === order.primary ? 'primary' : 'backup';
        this.#follow();
        this.effects.push('established');
        return done;
      }
      default:
        return done;
    }
  }

  #swap(primary: string): PairDone {
    const { self, peer } = this.sides;
    const [next, former] = self.name === primary ? [self, peer] : [peer, self];
    if (next.role === 'primary') return { outcome: 'done' };
    former.role = this.isBroken ? 'read-only' : 'backup';
    next.role = 'primary';
    this.#migrate(next);
    this.effects.push(`swapped to ${primary}`);
    return { outcome: 'done' };
  }

  #migrate(side: Side): void {
    if (side.site === NEW.site) side.schema = 2;
    this.#follow();
  }

  /** Additive migrations arrive with the change log, whatever the follower's software is. */
  #follow(): void {
    const { self, peer } = this.sides;
    if (!this.isBroken) self.schema = peer.schema = Math.max(self.schema, peer.schema);
  }

  #view(): unknown {
    const { self, peer } = this.sides;
    return {
      self: { appliance: self.name, role: self.role, schema: self.schema },
      peer: this.#isPair && !this.isBroken ? { appliance: peer.name, role: peer.role, schema: peer.schema } : null,
      peerState: this.isPeerDeaf ? 'unreachable' : this.isBroken || !this.#isPair ? 'none' : 'reachable',
      broken: this.isBroken ? { peer: peer.name } : null,
      copy: this.isBroken ? null : { lagChanges: 0, lagSeconds: 0, stopped: null },
      conflict: null,
      busy: null,
    };
  }
}

export function silent(name: string): AppError {
  return new AppError('unavailable', 'PEER_UNREACHABLE', `${name} does not answer.`);
}

function installation(id: string, outcome: Installation['outcome'], code: string | undefined): Installation {
  return {
    id,
    kind: 'site',
    operation: 'install',
    fromVersion: OLD.site,
    toVersion: NEW.site,
    revision: 'abc',
    startedBy: 'Ada',
    startedAtMs: 1,
    endedAtMs: outcome === 'running' ? null : 2,
    outcome,
    step: 'stage',
    steps: INSTALLATION_STEPS.map((step) => ({
      step,
      state: 'waiting',
      startedAtMs: null,
      endedAtMs: null,
      cancellable: true,
      progress: null,
    })),
    mayCancel: true,
    cancelRequestedBy: null,
    cause: code === undefined ? null : { code, message: 'It went wrong.', advice: '', mayRetry: true },
    preflight:
      code === 'PREFLIGHT_AMBER'
        ? [{ code: 'sessions', outcome: 'amber', text: '', advice: '', params: NO_PARAMS, details: [], overruledBy: null }]
        : [],
    verification: [],
    unavailableMs: null,
    acknowledgedBy: null,
  };
}
