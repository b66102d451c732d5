/** Questions of base that site main answers while it works. */
import { statSync } from 'node:fs';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import type { RetentionState } from '@bascule/protocol/api/storage.ts';
import type { FromSite, ToSite } from '@bascule/protocol/base-site.ts';
import type { Losses } from '@bascule/protocol/losses.ts';
import { SYSTEM } from '@bascule/store/store.ts';
import { auditBatch } from '../audit/audit-forward.ts';
import type { Site } from '../compose.ts';
import type { Failover } from '../failover/failover.ts';
import { readRetention } from '../reports/retention.ts';
import { fleetAnswer, lossesAnswer } from './fleet-questions.ts';
import { restoredFigures } from './restored-figures.ts';
import type { SiteProgram } from './site-program.ts';

const ANSWERS = {
  'reset-password': 'password-reset',
  'reset-second-factor': 'second-factor-reset',
  'local-client-token': 'local-client-token',
  snapshot: 'snapshot-taken',
  preflight: 'preflight',
  'test-session': 'test-session',
  'make-backup': 'backup-made',
  fleet: 'fleet',
  'who-would-i-lose': 'who-would-i-lose',
  'audit-after': 'audit-batch',
  retention: 'retention',
  'restored-figures': 'restored-figures',
  'backup-places': 'backup-places',
} as const satisfies Partial<Record<ToSite['kind'], FromSite['kind']>>;
export type Question = Extract<ToSite, { kind: keyof typeof ANSWERS }>;
type OfSite = Exclude<Question, { kind: 'make-backup' }>;

const NO_FIGURES = { integrityProblems: [], databaseBytes: 0, clientsOnline: 0, sessions: [] };
const NO_FLEET = { total: 0, current: 0, pending: 0, absent: 0, failed: 0, isSettled: false, text: '' };
const NO_AUDIT = { position: { epoch: 0, sequence: 0 }, events: [], head: null };
const NO_RESTORED = { total: 0, back: 0, missing: [] };
const NO_LOSSES: Losses = { connected: 0, seenLately: 0, lost: 0, trouble: 0, list: [] };
/** What the message may name. */
const SESSIONS_NAMED_MAX = 1000;

export function isQuestion(message: ToSite): message is Question {
  return Object.hasOwn(ANSWERS, message.kind);
}

/** Answers `question`; without a site (it is not active) and on a fault with a sentence instead. */
export async function answerQuestion(program: SiteProgram | undefined, question: Question, log: Log): Promise<FromSite> {
  try {
    if (program === undefined) throw new AppError('unavailable', 'SITE_NOT_ACTIVE', 'This start of the site is not active.');
    if (question.kind === 'make-backup') return await backupAnswer(program, question);
    if (program.site !== undefined) return await answer(program.site, question);
    return await answerAsStandby(program.failover, question);
  } catch (error) {
    if (!(error instanceof AppError)) log.error({ err: error, question: question.kind }, 'site.question-failed');
    return refusal(question, error instanceof AppError ? error.message : 'The site failed at this; its log says more.');
  }
}

async function answer(site: Site, question: OfSite): Promise<FromSite> {
  const { nonce } = question;
  switch (question.kind) {
    case 'reset-password':
      return { kind: 'password-reset', nonce, password: await site.resetPassword(question.user) };
    case 'reset-second-factor':
      site.resetSecondFactor(question.user);
      return { kind: 'second-factor-reset', nonce };
    case 'local-client-token':
      return { kind: 'local-client-token', nonce, token: site.parts.jump.createLocalClientToken() };
    case 'snapshot':
      await site.parts.store.snapshot(question.target);
      return { kind: 'snapshot-taken', nonce, bytes: statSync(question.target).size };
    case 'preflight':
      return { kind: 'preflight', nonce, ...(await preflight(site)) };
    case 'test-session':
      return { kind: 'test-session', nonce, ...(await site.testSession()) };
    case 'fleet':
      return { kind: 'fleet', nonce, ...(await fleetAnswer(site.parts.fleetQuestions)) };
    case 'who-would-i-lose':
      return { kind: 'who-would-i-lose', nonce, losses: await lossesAnswer(site.parts.fleetQuestions, question.change) };
    case 'audit-after':
      return { kind: 'audit-batch', nonce, ...auditBatch(site.parts.store, question, Date.now()) };
    case 'retention':
      return { kind: 'retention', nonce, state: retentionOf(site, question.change) };
    case 'restored-figures':
      return { kind: 'restored-figures', nonce, ...(await restoredFigures(site)) };
    case 'backup-places':
      return { kind: 'backup-places', nonce, places: site.parts.backups.destinations.inWords() };
  }
}

/** As it is after `change`, which an administrator of the box makes. */
function retentionOf({ parts }: Site, change: Extract<Question, { kind: 'retention' }>['change']): RetentionState {
  if (change !== undefined) {
    const { id, name, address } = change.by;
    parts.retention.change({ ...SYSTEM, actor: { kind: 'box-administrator', id, name }, address }, change.settings);
  }
  return parts.retention.state();
}

/** Of the site, or of the copy that a backup of a pair has. */
async function backupAnswer(program: SiteProgram, { nonce, key }: Extract<Question, { kind: 'make-backup' }>): Promise<FromSite> {
  const backups = program.upgradeBackups;
  if (backups === undefined)
    throw new AppError('unavailable', 'SITE_NOT_ACTIVE', 'The site is just changing its role. Try again.');
  return { kind: 'backup-made', nonce, ...(await backups.ask(key)) };
}

/** A backup has a database, and neither clients nor sessions. */
async function answerAsStandby(failover: Failover, question: OfSite): Promise<FromSite> {
  const { store } = failover;
  const { kind, nonce } = question;
  if (kind === 'fleet') return { kind, nonce, ...NO_FLEET, isSettled: true, text: 'A backup has no clients of its own.' };
  if (kind === 'who-would-i-lose') return { kind, nonce, losses: NO_LOSSES };
  if (kind === 'test-session') return { kind, nonce, outcome: 'no-client' };
  // The primary's base sends them.
  if (kind === 'audit-after') return { kind: 'audit-batch', nonce, ...NO_AUDIT };
  if (store === undefined) throw new AppError('unavailable', 'FAILOVER_NO_COPY', 'This backup has no copy of the site yet.');
  if (kind === 'snapshot') {
    await store.snapshot(question.target);
    return { kind: 'snapshot-taken', nonce, bytes: statSync(question.target).size };
  }
  if (kind === 'preflight') {
    const integrityProblems = (await store.problems()).slice(0, 100);
    return { kind, nonce, ...NO_FIGURES, integrityProblems, databaseBytes: store.fileBytes };
  }
  if (kind === 'retention' && question.change === undefined) return { kind, nonce, state: readRetention(store, false) };
  throw failover.changeRefused();
}

function refusal({ kind, nonce }: Question, error: string): FromSite {
  if (kind === 'preflight') return { kind, nonce, ...NO_FIGURES, error };
  if (kind === 'fleet') return { kind, nonce, ...NO_FLEET, error };
  if (kind === 'restored-figures') return { kind, nonce, ...NO_RESTORED, error };
  if (kind === 'audit-after') return { kind: 'audit-batch', nonce, ...NO_AUDIT, error };
  if (kind === 'test-session') return { kind, nonce, outcome: 'failed', error };
  if (kind === 'make-backup') return { kind: 'backup-made', nonce, state: 'failed', error };
  return { kind: ANSWERS[kind], nonce, error };
}

async function preflight({ parts: { store, jump, sessions, backups } }: Site) {
  const integrityProblems = await store.problems();
  return {
    integrityProblems: integrityProblems.slice(0, 100),
    databaseBytes: store.fileBytes,
    clientsOnline: jump.counts().online,
    lastBackup: backups.last(),
    sessions: sessions
      .active()
      .slice(0, SESSIONS_NAMED_MAX)
      .map(({ id, userName, jumpItemName, startedAtMs }) => ({ session: id, user: userName, item: jumpItemName, startedAtMs })),
  };
}
