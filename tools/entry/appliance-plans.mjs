/** The part of `npm run appliance` about upgrade plans: what /appliance > Updates > Upgrade plans does, with the web down. */
import { setTimeout as wait } from 'node:timers/promises';
import { asked, needRunning } from './appliance-updates.mjs';
import { ask } from './control.mjs';
import { noteLines, planLines, planStepLine, reportLines } from './plans-lines.mjs';
import { plain, Stop, say } from './say.mjs';
import { span } from './updates-lines.mjs';

const ANSWER_WAIT_LIMIT_MS = 10_000;
/** Both appliances are asked what they have, and the other one may look for updates first. */
const MAKE_WAIT_LIMIT_MS = 180_000;
const LOOK_EVERY_MS = 500;
/** A base that is replaced is away for a second or two; one that stays away for so long needs somebody. */
const BASE_AWAY_LIMIT_MS = 180_000;
/** The plan waits for a person. */
const EXIT_WAITS = 3;
const KINDS = ['single', 'synchronous', 'asynchronous', 'rolling'];
const USAGE = `Say what: plan show | plan make KIND | plan run [KIND] [--step-by-step] [--overrule CODE,CODE] | plan confirm | plan pause | plan cancel | plan give-up | plan report. KIND: ${KINDS.join(', ')}.`;

/**
 * @param {string} home  @param {string[]} words what stands after `plan`
 * @param {{ stepByStep: boolean, overrule: string[] }} options
 */
export async function plan(home, [verb = 'show', kind, ...tooMany], options) {
  if (tooMany.length > 0 || (kind !== undefined && (!KINDS.includes(kind) || !['make', 'run'].includes(verb))))
    throw new Stop(USAGE, 64);
  needRunning(home);
  if (verb === 'show') return await show(home);
  if (verb === 'make') return await make(home, kind);
  if (verb === 'run') return await run(home, kind, options);
  if (verb === 'confirm') return await confirm(home);
  if (verb === 'report') return await report(home);
  if (!['pause', 'cancel', 'give-up'].includes(verb)) throw new Stop(USAGE, 64);
  const { id } = await current(home);
  const answer = await asked(home, { kind: 'plan-order', id, order: verb }, ANSWER_WAIT_LIMIT_MS);
  if (verb === 'cancel') return await follow(home, id);
  for (const text of planLines(answer.plan)) say(text);
  return 0;
}

/** @param {string} home */
async function show(home) {
  const { plans } = await asked(home, { kind: 'plans' }, ANSWER_WAIT_LIMIT_MS);
  if (plans.current === null) say('No upgrade plan was made here yet: npm run appliance -- plan make KIND');
  else {
    for (const text of planLines(plans.current)) say(text);
    for (const step of plans.current.steps)
      for (const text of noteLines(step)) say(`${String(step.number).padStart(4)} ${text.trim()}`);
  }
  for (const [kind, { text }] of Object.entries(plans.unavailable)) say(`${kind}: ${text}`);
  return 0;
}

/** @param {string} home  @param {string | undefined} kind */
async function make(home, kind) {
  if (kind === undefined) throw new Stop(USAGE, 64);
  const { plan: made } = await asked(home, { kind: 'plan-make', planKind: kind }, MAKE_WAIT_LIMIT_MS);
  for (const text of planLines(made)) say(text);
  say('Nothing is done yet. To run it: npm run appliance -- plan run');
  return 0;
}

/**
 * With a kind: makes the plan first. Without: starts the one that was made, or goes on with it.
 * @param {string} home  @param {string | undefined} kind  @param {{ stepByStep: boolean, overrule: string[] }} options
 */
async function run(home, kind, { stepByStep, overrule }) {
  if (kind !== undefined) await make(home, kind);
  const { id } = await current(home);
  await asked(home, { kind: 'plan-run', id, through: !stepByStep, overrule }, ANSWER_WAIT_LIMIT_MS);
  return await follow(home, id);
}

/** @param {string} home */
async function confirm(home) {
  const { id, steps } = await current(home);
  const step = steps.find((/** @type {any} */ { state }) => state === 'waits-for-person');
  if (step === undefined) throw new Stop('The plan waits for nobody at present: npm run appliance -- plan show');
  await asked(home, { kind: 'plan-confirm', id, number: step.number }, ANSWER_WAIT_LIMIT_MS);
  return await follow(home, id);
}

/** The signed report on standard output, so that it can be sent into a file. @param {string} home */
async function report(home) {
  const { report: signed } = await current(home);
  if (signed === null) throw new Stop('The plan has not ended with a report.');
  process.stdout.write(`${JSON.stringify(signed)}\n`);
  return 0;
}

/** @param {string} home */
async function current(home) {
  const { plans } = await asked(home, { kind: 'plans' }, ANSWER_WAIT_LIMIT_MS);
  if (plans.current === null) throw new Stop('No upgrade plan was made here yet: npm run appliance -- plan make KIND');
  return plans.current;
}

/**
 * Shows a plan until it has ended, or waits for somebody. Ctrl-C stops the showing only.
 * @param {string} home  @param {string} id
 */
async function follow(home, id) {
  say('Ctrl-C leaves the plan running.');
  const watched = new AbortController();
  const leave = () => watched.abort();
  process.once('SIGINT', leave);
  const told = new Set();
  let heardMs = Date.now();
  try {
    for (;;) {
      if (watched.signal.aborted) return left();
      const answer = await ask(home, { kind: 'plan-show', id }, ANSWER_WAIT_LIMIT_MS).catch(() => undefined);
      if (answer && !answer.ok) throw new Stop(answer.error);
      if (answer) {
        heardMs = Date.now();
        tell(answer.plan, told);
        const exit = outcome(answer.plan);
        if (exit !== undefined) return exit;
      } else if (Date.now() - heardMs > BASE_AWAY_LIMIT_MS)
        throw new Stop(
          `base has not answered for ${span(BASE_AWAY_LIMIT_MS)}. boot brings it back by itself; see: npm run appliance -- log`,
        );
      await wait(LOOK_EVERY_MS, undefined, { signal: watched.signal }).catch(() => undefined);
    }
  } finally {
    process.off('SIGINT', leave);
  }
}

function left() {
  say('The plan goes on by itself. To see how it is: npm run appliance -- plan show');
  return 130;
}

/** Each step when it begins, and when it has ended. @param {any} plan  @param {Set<string>} told */
function tell({ steps }, told) {
  for (const step of steps) {
    const { number, state } = step;
    if (['waiting', 'ready'].includes(state) || told.has(`${number} ${state}`)) continue;
    told.add(`${number} ${state}`);
    say(planStepLine(step));
    if (state !== 'running') for (const text of noteLines(step)) say(text);
  }
}

/** The exit code, when the plan has ended or waits. @param {any} plan */
function outcome(plan) {
  const { state, steps, isUndoing, mayCancel, report: signed } = plan;
  if (state === 'running') return undefined;
  if (state === 'done') {
    say('The plan is done:');
    for (const text of reportLines(JSON.parse(signed.statement))) say(text);
    say('The signed report: npm run appliance -- plan report');
    return 0;
  }
  if (state === 'cancelled') {
    say('The plan was cancelled: what it did was taken back.');
    return 1;
  }
  if (state === 'waits-for-person') {
    const step = steps.find((/** @type {any} */ one) => one.state === 'waits-for-person');
    say(
      step === undefined
        ? 'The plan waits before its next step: npm run appliance -- plan run --step-by-step, or plan run to go through.'
        : `The plan waits at step ${step.number} for somebody to look. When all is well: npm run appliance -- plan confirm; otherwise: plan cancel.`,
    );
    return EXIT_WAITS;
  }
  const at = steps.find((/** @type {any} */ one) => ['failed', 'running', 'ready'].includes(one.state));
  const note = at?.notes.at(-1);
  const codes = note?.code === 'amber' ? ` --overrule ${note.params.codes}` : '';
  process.stderr.write(
    plain(
      `${state === 'failed' ? 'The plan was given up.' : `The plan is paused${isUndoing ? ' while it is taken back' : ''}.`} ${note?.text ?? ''}\n${state === 'failed' ? '' : `To go on: npm run appliance -- plan run${codes}${mayCancel ? '; to take it back: plan cancel' : ''}; to end it as it is: plan give-up\n`}`,
    ),
  );
  return 1;
}
