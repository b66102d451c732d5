/** Questions of base that site main answers while it works. */
import { statSync } from 'node:fs';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import type { FromSite, ToSite } from '@bascule/protocol/base-site.ts';
import type { Site } from '../compose.ts';
import { fleetAnswer, lossesAnswer } from './fleet-questions.ts';

const ANSWERS = {
  'reset-password': 'password-reset',
  'reset-second-factor': 'second-factor-reset',
  'local-client-token': 'local-client-token',
  snapshot: 'snapshot-taken',
  preflight: 'preflight',
  'test-session': 'test-session',
  fleet: 'fleet',
  'who-would-i-lose': 'who-would-i-lose',
} as const satisfies Partial<Record<ToSite['kind'], FromSite['kind']>>;
export type Question = Extract<ToSite, { kind: keyof typeof ANSWERS }>;

const NO_FIGURES = { integrityProblems: [], databaseBytes: 0, clientsOnline: 0, sessions: [] };
const NO_FLEET = { total: 0, current: 0, pending: 0, absent: 0, failed: 0, isSettled: false, text: '' };
/** What the message may name. */
const SESSIONS_NAMED_MAX = 1000;

export function isQuestion(message: ToSite): message is Question {
  return Object.hasOwn(ANSWERS, message.kind);
}

/** Answers `question`; without a site (it is not active) and on a fault with a sentence instead. */
export async function answerQuestion(site: Site | undefined, question: Question, log: Log): Promise<FromSite> {
  try {
    if (site === undefined) throw new AppError('unavailable', 'SITE_NOT_ACTIVE', 'This start of the site is not active.');
    return await answer(site, question);
  } catch (error) {
    if (!(error instanceof AppError)) log.error({ err: error, question: question.kind }, 'site.question-failed');
    return refusal(question, error instanceof AppError ? error.message : 'The site failed at this; its log says more.');
  }
}

async function answer(site: Site, question: Question): Promise<FromSite> {
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
  }
}

function refusal({ kind, nonce }: Question, error: string): FromSite {
  if (kind === 'preflight') return { kind, nonce, ...NO_FIGURES, error };
  if (kind === 'fleet') return { kind, nonce, ...NO_FLEET, error };
  if (kind === 'test-session') return { kind, nonce, outcome: 'failed', error };
  return { kind: ANSWERS[kind], nonce, error };
}

async function preflight({ parts: { store, jump, sessions } }: Site) {
  const integrityProblems = await store.problems();
  return {
    integrityProblems: integrityProblems.slice(0, 100),
    databaseBytes: store.fileBytes,
    clientsOnline: jump.counts().online,
    sessions: sessions
      .active()
      .slice(0, SESSIONS_NAMED_MAX)
      .map(({ id, userName, jumpItemName, startedAtMs }) => ({ session: id, user: userName, item: jumpItemName, startedAtMs })),
  };
}
