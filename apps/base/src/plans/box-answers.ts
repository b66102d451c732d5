/** What this base answers to the base of its peer, and to its own plans: a closed list, each harmless when asked again. */
import { AppError } from '@bascule/errors/app-error.ts';
import type { PairRole } from '@bascule/protocol/api/failover.ts';
import type { BoxAnswer, BoxQuestion } from '@bascule/protocol/api/plans.ts';
import type { Installation } from '@bascule/protocol/api/updates.ts';
import type { Context, Store } from '@bascule/store/store.ts';
import { planAsked, planInstallationNoted } from './plan-events.ts';

/** Installations that are looked through for one that a crash left unnoted. */
const HISTORY_LOOKED_AT = 50;
/** What is said of a failure. */
const ERROR_MAX_CHARACTERS = 500;

/** The part of `Software` that answers. */
export interface AnsweringSoftware {
  /** What is next to be installed here, in order, and who accepted its licence agreement. */
  next(): NonNullable<BoxAnswer['software']>['installable'];
  /** What a target is, whether it can be installed or is in use. */
  describe(target: string): { kind: string; version: string } | undefined;
  check(by: Context): Promise<void>;
  acceptEula(by: Context, target: string, name: string): void;
  install(by: Context, target: string, overrule: string[]): string;
  /** Both databases as they are now, kept under `name`. */
  snapshot(name: string): Promise<void>;
  engine: {
    running(): Installation | undefined;
    history(limit: number): Installation[];
    rollBack(kind: 'base' | 'site', by: Context): string;
    installed(): { kind: string; version: string; previousVersion: string | null }[];
  };
}

export interface AnsweringHost {
  readonly ready: boolean;
  readonly pairState: { role: PairRole } | undefined;
  testSession(): Promise<{
    outcome: 'passed' | 'failed' | 'no-client';
    session?: string | undefined;
    item?: string | undefined;
    error?: string | undefined;
  }>;
  sitePreflight(): Promise<{ sessions: { session: string }[]; clientsOnline: number }>;
  fleet(): Promise<{ total: number; current: number; pending: number; absent: number; failed: number }>;
  /** Undefined: the site is ready and does not know the question (before 0.5.0). */
  makeBackup(
    key: string,
  ): Promise<{ state: 'running' | 'restorable' | 'failed'; file?: string | undefined; error?: string | undefined } | undefined>;
}

export interface BoxAnswersOptions {
  store: Store;
  software: AnsweringSoftware;
  host: AnsweringHost;
  addresses(): NonNullable<BoxAnswer['addresses']>;
  /** What is served for these names. */
  certificates(names: readonly string[]): NonNullable<BoxAnswer['certificates']>;
  /** The peer shows its plan here too. */
  onPlanShown(peer: string, plan: unknown): void;
  now(): number;
}

type Question<K extends BoxQuestion['kind']> = Extract<BoxQuestion, { kind: K }>;

export class BoxAnswers {
  readonly #options: BoxAnswersOptions;

  constructor(options: BoxAnswersOptions) {
    this.#options = options;
  }

  /** Answers `question`, asked by `asker` (an appliance's name). Never throws: what is not possible is an answer too. */
  async answer(asker: string, question: BoxQuestion): Promise<BoxAnswer> {
    try {
      return await this.#answer(asker, question);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      return { ok: false, error: { code: error.code, message: error.message } };
    }
  }

  async #answer(asker: string, question: BoxQuestion): Promise<BoxAnswer> {
    const { software, host } = this.#options;
    switch (question.kind) {
      case 'software':
        return { ok: true, software: this.#software() };
      case 'check-offers':
        await software.check(contextOf(asker));
        return { ok: true, software: this.#software() };
      case 'install':
        return this.#install(asker, question);
      case 'roll-back':
        return this.#rollBack(asker, question);
      case 'installation':
        return { ok: true, installation: this.#installation(question.id) };
      case 'snapshot':
        await software.snapshot(question.plan);
        return { ok: true };
      case 'backup':
        return { ok: true, backup: await this.#backup(question.plan) };
      case 'test-session': {
        const { outcome, session, item, error } = await host.testSession();
        return {
          ok: true,
          testSession: { outcome, session: session ?? null, item, error: error?.slice(0, ERROR_MAX_CHARACTERS) },
        };
      }
      case 'sessions':
        return { ok: true, sessions: await this.#sessions() };
      case 'addresses':
        return { ok: true, addresses: this.#options.addresses() };
      case 'certificates':
        return { ok: true, certificates: this.#options.certificates(question.names) };
      case 'plan-shown':
        this.#options.onPlanShown(asker, question.plan);
        return { ok: true };
    }
  }

  /** Of the site, which restores it on trial; both databases as they are where the site cannot. */
  async #backup(plan: string): Promise<NonNullable<BoxAnswer['backup']>> {
    const made = await this.#options.host.makeBackup(plan);
    if (made !== undefined) {
      const { state, file, error } = made;
      return { state, ...(file !== undefined && { file }), ...(error !== undefined && { error }) };
    }
    await this.#options.software.snapshot(plan);
    return { state: 'snapshot' };
  }

  #software(): NonNullable<BoxAnswer['software']> {
    const { software, host } = this.#options;
    return {
      base: this.#version('base'),
      site: this.#version('site'),
      installable: software.next(),
      running: software.engine.running()?.id ?? null,
      isReady: host.ready,
      role: host.pairState?.role ?? null,
    };
  }

  #install(asker: string, { target, plan, attempt, overrule, acceptEula }: Question<'install'>): BoxAnswer {
    const { software } = this.#options;
    const about = software.describe(target);
    if (about === undefined) throw unknownTarget(target);
    return this.#once(asker, { plan, what: target, attempt }, (notedAtMs) => {
      // Noted, and then cut before its id was: the engine's own journal has it.
      const begun = this.#begunSince(
        notedAtMs,
        (one) => one.operation === 'install' && one.kind === about.kind && one.toVersion === about.version,
      );
      if (begun !== undefined) return begun.id;
      if (this.#version(about.kind) === about.version) return undefined;
      const offer = software.next().find((candidate) => candidate.target === target);
      if (offer === undefined) throw unknownTarget(target);
      const by = contextOf(asker);
      if (acceptEula !== undefined && offer.eulaAcceptedBy === null) software.acceptEula(by, target, acceptEula);
      return software.install(by, target, overrule);
    });
  }

  #rollBack(asker: string, { package: kind, version, plan, attempt }: Question<'roll-back'>): BoxAnswer {
    const { engine } = this.#options.software;
    const running = engine.running();
    // Whatever is under way comes to its end first.
    if (running !== undefined) return { ok: true, id: running.id };
    const current = engine.installed().find((one) => one.kind === kind);
    if (current?.version === version) return { ok: true };
    if (current?.previousVersion !== version)
      throw new AppError(
        'conflict',
        'PLAN_NO_PREVIOUS',
        `${kind} ${version} is not the version before ${current?.version ?? 'the one in use'} here, so this plan cannot bring it back.`,
      );
    if (!this.#hasInstalled(plan, kind))
      throw new AppError(
        'conflict',
        'PLAN_NOT_ITS_OWN',
        `This plan has not installed ${kind} here, so it does not take it back.`,
      );
    return this.#once(asker, { plan, what: `roll back ${kind} to ${version}`, attempt }, (notedAtMs) => {
      const begun = this.#begunSince(
        notedAtMs,
        (one) => one.operation === 'roll-back' && one.kind === kind && one.toVersion === version,
      );
      return begun?.id ?? engine.rollBack(kind, contextOf(asker));
    });
  }

  /**
   * One installation for one attempt of one plan: asked again, its id is given again. It is noted before it is begun; `begin` is told since when, if a crash
   * may have come between.
   */
  #once(
    asker: string,
    key: { plan: string; what: string; attempt: number },
    begin: (notedAtMs: number | undefined) => string | undefined,
  ): BoxAnswer {
    const { store, now } = this.#options;
    const { plan, what, attempt } = key;
    const row = store.get<{ installation: string | null; askedAtMs: number }>(
      'SELECT installation, asked_at_ms AS askedAtMs FROM plan_installation WHERE plan = ? AND what = ? AND attempt = ?',
      plan,
      what,
      attempt,
    );
    if (row?.installation != null) return { ok: true, id: row.installation };
    if (row === undefined)
      store.transact(contextOf(asker), planAsked({ plan, what, peer: asker }), (tx) =>
        tx.run(
          'INSERT INTO plan_installation (plan, what, attempt, asked_at_ms, installation) VALUES (?, ?, ?, ?, NULL)',
          plan,
          what,
          attempt,
          now(),
        ),
      );
    const installation = begin(row?.askedAtMs);
    if (installation === undefined) return { ok: true };
    store.transact(contextOf(asker), planInstallationNoted({ plan, installation }), (tx) =>
      tx.run(
        'UPDATE plan_installation SET installation = ? WHERE plan = ? AND what = ? AND attempt = ?',
        installation,
        plan,
        what,
        attempt,
      ),
    );
    return { ok: true, id: installation };
  }

  /** Whether it was this plan that had a package of the kind installed here. */
  #hasInstalled(plan: string, kind: string): boolean {
    const rows = this.#options.store.all<{ what: string }>('SELECT what FROM plan_installation WHERE plan = ?', plan);
    return rows.some(({ what }) => this.#options.software.describe(what)?.kind === kind);
  }

  #begunSince(sinceMs: number | undefined, isIt: (installation: Installation) => boolean): Installation | undefined {
    if (sinceMs === undefined) return undefined;
    const { engine } = this.#options.software;
    return engine.history(HISTORY_LOOKED_AT).find((one) => one.startedAtMs >= sinceMs && isIt(one));
  }

  #installation(id: string): Installation {
    const { engine } = this.#options.software;
    const running = engine.running();
    const found = running?.id === id ? running : engine.history(HISTORY_LOOKED_AT).find((one) => one.id === id);
    if (found === undefined) throw new AppError('not-found', 'INSTALLATION_UNKNOWN', `There is no installation ${id} here.`);
    return found;
  }

  async #sessions(): Promise<NonNullable<BoxAnswer['sessions']>> {
    const { host } = this.#options;
    const [{ sessions, clientsOnline }, clients] = await Promise.all([
      host.sitePreflight(),
      // A site that does not know the question: nothing is said of clients then.
      host.fleet().catch(() => null),
    ]);
    return {
      running: sessions.map(({ session }) => session),
      clientsOnline,
      clients: clients && countsOf(clients),
    };
  }

  #version(kind: string): string {
    return this.#options.software.engine.installed().find((one) => one.kind === kind)?.version ?? '';
  }
}

/** What the fleet counts in none of the others is not upgraded by the appliance. */
function countsOf(
  fleet: Awaited<ReturnType<AnsweringHost['fleet']>>,
): NonNullable<NonNullable<BoxAnswer['sessions']>['clients']> {
  const { total, current, pending, absent, failed } = fleet;
  return { total, current, pending, absent, failed, other: Math.max(0, total - current - pending - failed) };
}

function unknownTarget(target: string): AppError {
  return new AppError('not-found', 'PLAN_TARGET_UNKNOWN', `${target} cannot be installed here now; look for updates.`);
}

/** Whoever asks, in the audit and beside the installation: the plan of that appliance. */
function contextOf(asker: string): Context {
  return { actor: { kind: 'system', id: null, name: `upgrade plan on ${asker}` }, address: '' };
}
