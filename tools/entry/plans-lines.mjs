/** Lines about upgrade plans for a terminal. */
import { span, whenText } from './updates-lines.mjs';

const MARKS = {
  done: 'ok',
  skipped: 'ok',
  running: '...',
  ready: '',
  failed: 'FAILED',
  undone: 'undone',
  waiting: '',
  'waits-for-person': 'LOOK',
};
const NAMES = {
  backup: 'back up both databases',
  'sync-now': 'sync now',
  break: 'break the relationship',
  'install-base': 'install base',
  'install-site': 'install site',
  rehearse: 'try the standby',
  verify: 'verify',
  'pull-changes': 'pull changes since the break',
  swap: 'swap roles',
  establish: 'establish the relationship',
  migrate: 'migrate',
  compare: 'compare both copies',
  report: 'signed report',
};

/** @param {string} kind one of PLAN_STEPS  @returns {string} */
export function stepName(kind) {
  return NAMES[/** @type {keyof typeof NAMES} */ (kind)] ?? kind;
}

/** @param {any} step planStep of the API  @returns {string} */
export function planStepLine({ number, kind, on, state, window, params, expectedSeconds, startedAtMs, endedAtMs, progress }) {
  const mark = MARKS[/** @type {keyof typeof MARKS} */ (state)] ?? state;
  const what = params.to
    ? `${stepName(kind)} ${params.to}`
    : params.primary
      ? `${stepName(kind)}: ${params.primary} primary`
      : stepName(kind);
  const isOpen = state === 'waiting' || state === 'ready';
  const time = isOpen
    ? `about ${span(expectedSeconds * 1000)}`
    : startedAtMs !== null && endedAtMs !== null
      ? span(endedAtMs - startedAtMs)
      : '';
  const where = window === null || !isOpen ? '' : `window ${window}`;
  const now = state === 'running' && progress ? progressText(progress) : '';
  const parts = [String(number).padStart(2), on.padEnd(14), what.padEnd(40), mark.padEnd(6), time, where, now];
  return `  ${parts.filter((part) => part !== '').join(' ')}`.trimEnd();
}

/** @param {any} progress */
function progressText({ done, total, text }) {
  return total === null ? text : `${text} ${done} of ${total}`;
}

/** What is known beforehand, and how it is undone. @param {any} plan plan of the API  @returns {string[]} */
export function planLines(plan) {
  const { kind, id, runner, state, by, steps, windows, consumersByAddress, isUndoing, agreements = [] } = plan;
  const noReturn = steps.find((/** @type {any} */ { undo }) => undo === 'impossible');
  return [
    `${kind} upgrade plan ${id} on ${runner}, by ${by}: ${isUndoing ? 'being taken back' : state}`,
    ...agreements.map(
      (/** @type {any} */ one) =>
        `  Before it can be run somebody has to accept the licence agreement of ${one.kind} ${one.version}: /appliance > Updates > Upgrade plans`,
    ),
    ...steps.map(planStepLine),
    ...windows.map(
      (/** @type {any} */ { number, expectedSeconds, proposedAtMs }) =>
        `  Window ${number}: about ${span(expectedSeconds * 1000)}${proposedAtMs === null ? '' : `, quiet from ${whenText(proposedAtMs)}`}`,
    ),
    ...(windows.length > 1
      ? ['  Between them: long enough to see the new version in production, short enough, for there is no failover meanwhile.']
      : []),
    ...consumersByAddress.map(
      (/** @type {any} */ { name, address }) =>
        `  Connects by IP address, so look at it after the swap: ${name || 'unnamed'} at ${address}`,
    ),
    noReturn === undefined
      ? '  Cancel takes everything back, until the end.'
      : `  Cancel takes back what was done, until step ${noReturn.number} (${stepName(noReturn.kind)}).`,
  ];
}

/** @param {any} step  @returns {string[]} */
export function noteLines({ notes }) {
  return notes.map((/** @type {any} */ { text }) => `       ${text}`);
}

/** @param {any} report planReport of the API  @returns {string[]} */
export function reportLines({ before, after, withoutServiceMs, serviceAsked, sessions, lagAtSwitch, clients, testSession }) {
  const now = (/** @type {string} */ name) => after.find((/** @type {any} */ { appliance }) => appliance === name);
  return [
    ...before.map(
      (/** @type {any} */ side) =>
        `  ${side.appliance}: base ${side.base} to ${now(side.appliance)?.base}, site ${side.site} to ${now(side.appliance)?.site}, ${now(side.appliance)?.role}`,
    ),
    `  Without service: ${withoutServiceMs === null ? 'not proved' : span(withoutServiceMs)}${serviceAsked ? ` (asked: ${serviceAsked.url})` : ''}; sessions ended: ${sessions.ended} of ${sessions.before}`,
    ...(lagAtSwitch === null ? [] : [`  Lag at the switch: ${lagAtSwitch.changes} changes, ${lagAtSwitch.seconds} s`]),
    `  Clients: ${clients.current} of ${clients.total} current, ${clients.pending} to go, ${clients.failed ?? 0} failed, ${clients.other ?? 0} not upgraded by the appliance, ${clients.absent} away; test session: ${testSession.outcome}`,
  ];
}
