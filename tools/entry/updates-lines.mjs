/** Lines about updates for a terminal. */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];
const MARKS = { done: 'ok', running: '...', failed: 'FAILED', undone: 'undone', waiting: '' };
const PATH_WORDS = {
  install: 'install',
  'wait-for-clients': 'wait for clients of',
  'back-up': 'a snapshot is taken before',
};

/** @param {number} bytes  @returns {string} `12.3 MB` */
export function amount(bytes) {
  let value = bytes;
  let unit = 0;
  for (; value >= 1000 && unit < UNITS.length - 1; unit++) value /= 1000;
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

/** @param {number} ms  @returns {string} `0.4 s`, `3 min`, `2 h` */
export function span(ms) {
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  return `${Math.round(ms / 3_600_000)} h`;
}

/** @param {number} ms milliseconds since the epoch  @returns {string} in the time of this machine, to the minute */
export function whenText(ms) {
  const date = new Date(ms);
  const two = (/** @type {number} */ number) => String(number).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** @param {any} step stepState of the API  @returns {string} */
export function stepLine({ step, state, startedAtMs, endedAtMs, progress, cancellable }) {
  const mark = MARKS[/** @type {keyof typeof MARKS} */ (state)] ?? state;
  const took = startedAtMs !== null && endedAtMs !== null ? span(endedAtMs - startedAtMs) : '';
  const parts = [step.padEnd(11), mark.padEnd(6), took, state === 'running' && progress ? progressText(progress) : ''];
  const note = state === 'running' && !cancellable ? 'cannot be cancelled' : '';
  return `  ${[...parts, note].filter((part) => part !== '').join(' ')}`.trimEnd();
}

/** @param {any} progress */
function progressText({ done, total, unit, perSecond, secondsLeft }) {
  const of = (/** @type {number} */ number) => (unit === 'bytes' ? amount(number) : `${Math.round(number)}`);
  const parts = [total === null ? of(done) : `${of(done)} of ${of(total)}${unit === 'bytes' ? '' : ` ${unit}`}`];
  if (perSecond !== null && unit === 'bytes') parts.push(`${amount(perSecond)}/s`);
  if (secondsLeft !== null) parts.push(`${span(secondsLeft * 1000)} left`);
  return parts.join(', ');
}

/** @param {any} blocker one of `blockedBy` of the API  @returns {string} */
export function blockedSentence({ reason, kind, version, range, atMs }) {
  if (reason === 'not-maintained') return `The maintenance ended${atMs === null ? '' : ` on ${whenText(atMs)}`}.`;
  if (reason === 'not-yet-offered')
    return atMs === null ? 'It is not offered to this appliance yet.' : `It is offered from ${whenText(atMs)} on.`;
  return version === null ? `It needs ${kind} ${range}.` : `Install ${kind} ${version} first.`;
}

/** @param {any} part one of `path` of the API  @returns {string} */
export function pathLine({ action, kind, version, clients }) {
  const counted = clients === undefined ? '' : ` (${clients.pending} of ${clients.total} are not upgraded yet)`;
  return `${PATH_WORDS[/** @type {keyof typeof PATH_WORDS} */ (action)]} ${kind} ${version}${counted}`;
}

/** One after another, each with its full stop. @param {(string | null | undefined)[]} parts  @returns {string} */
export function sentences(...parts) {
  return parts
    .filter((part) => part)
    .map((part) => (/[.!?]$/.test(part ?? '') ? part : `${part}.`))
    .join(' ');
}
