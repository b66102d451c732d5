import { AppError } from '@bascule/errors/app-error.ts';
import type { BoxAnswer, BoxQuestion } from '@bascule/protocol/api/plans.ts';
import type { Retention, RetentionState } from '@bascule/protocol/api/storage.ts';
import type { FromSite, PairOrder, ToSite } from '@bascule/protocol/base-site.ts';
import type { Losses, PlannedChange } from '@bascule/protocol/losses.ts';
import type { SupervisedProgram } from './site-program.ts';

/** How long the site's main program may take to answer a question of base's. */
export const ASK_WAIT_MS = 15_000;
export const HEALTH_WAIT_MS = 10_000;
/** A little longer than the store gives a snapshot (packages/store/src/snapshot.ts). */
export const SNAPSHOT_WAIT_MS = 31 * 60_000;
/** Integrity is read through the whole database. */
export const PREFLIGHT_WAIT_MS = 5 * 60_000;
export const TEST_SESSION_WAIT_MS = 60_000;
/** The sizes are measured first; sites before 0.5.0 never answer. */
export const BACKUP_WAIT_MS = 60_000;
/** Known at once; sites before 0.2.0 never answer. */
export const FLEET_WAIT_MS = 5_000;
/** Every client is looked at. */
export const LOSSES_WAIT_MS = 30_000;
/** An order of a plan is answered at once with `running` when it takes longer. */
export const PAIR_DO_WAIT_MS = 30_000;
/** Through both sites to the other base and back: a test session there is the longest. */
export const PEER_WAIT_MS = 75_000;

type Answer<K extends FromSite['kind']> = Extract<FromSite, { kind: K }>;

export async function resetPassword(main: SupervisedProgram, user: string): Promise<string> {
  const answer = await ask(main, (nonce) => ({ kind: 'reset-password', nonce, user }), 'password-reset', ASK_WAIT_MS);
  return wanted(answer.password, answer.error);
}

export async function resetSecondFactor(main: SupervisedProgram, user: string): Promise<void> {
  const { error } = await ask(
    main,
    (nonce) => ({ kind: 'reset-second-factor', nonce, user }),
    'second-factor-reset',
    ASK_WAIT_MS,
  );
  if (error !== undefined) throw refused(error);
}

export async function localClientToken(main: SupervisedProgram): Promise<string> {
  const answer = await ask(main, (nonce) => ({ kind: 'local-client-token', nonce }), 'local-client-token', ASK_WAIT_MS);
  return wanted(answer.token, answer.error);
}

/** Also of a program that is loaded and waits to take over. */
export async function health(main: SupervisedProgram): Promise<Answer<'health'>> {
  return await ask(
    main,
    (nonce) => ({ kind: 'health', nonce }),
    'health',
    HEALTH_WAIT_MS,
    () => main.ready || main.prepared !== undefined,
  );
}

export async function snapshot(main: SupervisedProgram, target: string): Promise<number> {
  const answer = await ask(main, (nonce) => ({ kind: 'snapshot', nonce, target }), 'snapshot-taken', SNAPSHOT_WAIT_MS);
  return wanted(answer.bytes, answer.error);
}

export async function preflight(main: SupervisedProgram): Promise<Answer<'preflight'>> {
  const answer = await ask(main, (nonce) => ({ kind: 'preflight', nonce }), 'preflight', PREFLIGHT_WAIT_MS);
  if (answer.error !== undefined) throw refused(answer.error);
  return answer;
}

export async function testSession(main: SupervisedProgram): Promise<Answer<'test-session'>> {
  return await ask(main, (nonce) => ({ kind: 'test-session', nonce }), 'test-session', TEST_SESSION_WAIT_MS);
}

/** Begins the backup of `key`, or says how far it is. Undefined: this site makes none (before 0.5.0), as its health says. */
export async function makeBackup(main: SupervisedProgram, key: string): Promise<Answer<'backup-made'> | undefined> {
  const { detail } = await health(main);
  if (detail['role'] === undefined) throw unavailable();
  if (detail['makesBackups'] !== true) return undefined;
  return await ask(main, (nonce) => ({ kind: 'make-backup', nonce, key }), 'backup-made', BACKUP_WAIT_MS);
}

export async function fleet(main: SupervisedProgram): Promise<Answer<'fleet'>> {
  const answer = await ask(main, (nonce) => ({ kind: 'fleet', nonce }), 'fleet', FLEET_WAIT_MS);
  if (answer.error !== undefined) throw refused(answer.error);
  return answer;
}

export async function whoWouldILose(main: SupervisedProgram, change: PlannedChange): Promise<Losses> {
  const answer = await ask(main, (nonce) => ({ kind: 'who-would-i-lose', nonce, change }), 'who-would-i-lose', LOSSES_WAIT_MS);
  return wanted(answer.losses, answer.error);
}

/** What was audited after a position. A site before 0.4.0 is late. */
export async function auditAfter(
  main: SupervisedProgram,
  question: Omit<Extract<ToSite, { kind: 'audit-after' }>, 'kind' | 'nonce'>,
): Promise<Answer<'audit-batch'>> {
  const answer = await ask(main, (nonce) => ({ kind: 'audit-after', nonce, ...question }), 'audit-batch', ASK_WAIT_MS);
  if (answer.error !== undefined) throw refused(answer.error);
  return answer;
}

/** How long the site keeps recordings and reports; after `change`, if there is one. */
export async function retention(
  main: SupervisedProgram,
  change?: { settings: Retention; by: { id: string; name: string; address: string } },
): Promise<RetentionState> {
  const answer = await ask(
    main,
    (nonce) => ({ kind: 'retention', nonce, ...(change !== undefined && { change }) }),
    'retention',
    ASK_WAIT_MS,
  );
  return wanted(answer.state, answer.error);
}

export async function restoredFigures(main: SupervisedProgram): Promise<Answer<'restored-figures'>> {
  const answer = await ask(main, (nonce) => ({ kind: 'restored-figures', nonce }), 'restored-figures', ASK_WAIT_MS);
  if (answer.error !== undefined) throw refused(answer.error);
  return answer;
}

/** Where the site's backups lie elsewhere, in words. */
export async function backupPlaces(main: SupervisedProgram): Promise<string[]> {
  const answer = await ask(main, (nonce) => ({ kind: 'backup-places', nonce }), 'backup-places', ASK_WAIT_MS);
  return wanted(answer.places, answer.error);
}

/** An order of an upgrade plan; harmless when given again, by `plan` and `step`. */
export async function pairDo(
  main: SupervisedProgram,
  plan: string,
  step: number,
  order: PairOrder,
): Promise<Answer<'pair-done'>> {
  return await ask(main, (nonce) => ({ kind: 'pair-do', nonce, plan, step, order }), 'pair-done', PAIR_DO_WAIT_MS);
}

export async function askPeer(main: SupervisedProgram, question: BoxQuestion): Promise<BoxAnswer> {
  const { answer } = await ask(main, (nonce) => ({ kind: 'ask-peer', nonce, question }), 'peer-answered', PEER_WAIT_MS);
  return answer;
}

/** Asks `main` and waits for the answer with the same number. Throws `SITE_UNAVAILABLE` when main is not ready, dies, or is late. */
function ask<K extends FromSite['kind']>(
  main: SupervisedProgram,
  question: (nonce: number) => ToSite,
  kind: K,
  waitMs: number,
  answers: () => boolean = () => main.ready,
): Promise<Answer<K>> {
  const nonce = main.nextNonce();
  return new Promise((resolve, reject) => {
    const finish = (answer?: Answer<K>): void => {
      clearTimeout(timer);
      main.off('message', hear);
      main.off('change', change);
      if (answer === undefined) reject(unavailable());
      else resolve(answer);
    };
    const hear = (message: FromSite): void => {
      if (message.kind === kind && 'nonce' in message && message.nonce === nonce) finish(message as Answer<K>);
    };
    const change = (): void => {
      if (!answers()) finish();
    };
    const timer = setTimeout(finish, waitMs);
    main.on('message', hear);
    main.on('change', change);
    if (!answers() || !main.send(question(nonce))) finish();
  });
}

function wanted<T>(value: T | undefined, error: string | undefined): T {
  if (value !== undefined) return value;
  throw refused(error ?? 'The site gave no reason.');
}

function refused(reason: string): AppError {
  return new AppError('invalid', 'SITE_REFUSED', reason);
}

function unavailable(): AppError {
  return new AppError('unavailable', 'SITE_UNAVAILABLE', 'The site is starting or stopped; try again in a few seconds.', {
    retryAfterSeconds: 5,
  });
}
