/** The log for people: one line per event with time, program, event and fields. The log itself is JSON lines. */

/** Levels of @bascule/log; info says nothing, for most events are. */
const LEVELS = { 20: 'debug', 30: '', 40: 'WARN', 50: 'ERROR', 60: 'FATAL' };
const PLAIN_VALUE = /^[\w.:/@+-]+$/;

/** @param {string} json a line of the log  @returns {string} it for people; as it is when it is no event */
export function humanLine(json) {
  let event;
  try {
    event = JSON.parse(json);
  } catch {
    return json;
  }
  if (typeof event?.event !== 'string') return json;
  const { time, level, program, pid: _, event: name, ...fields } = event;
  const said = Object.entries(fields).map(([field, value]) => `${field}=${fieldText(value)}`);
  const what = [LEVELS[/** @type {keyof typeof LEVELS} */ (level)] ?? level, name].filter(Boolean).join(' ');
  return `${localTime(time)}  ${String(program).padEnd(12)}  ${[what, ...said].join('  ')}`;
}

/** @param {unknown} value */
function fieldText(value) {
  // Of an error its message; the stack is in the log itself.
  const shown = value !== null && typeof value === 'object' && 'message' in value ? value.message : value;
  return typeof shown === 'string' && PLAIN_VALUE.test(shown) ? shown : JSON.stringify(shown);
}

/** @param {string} time ISO 8601, UTC  @returns {string} the same in the time of this machine */
function localTime(time) {
  const at = new Date(time);
  if (Number.isNaN(at.getTime())) return String(time);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 23).replace('T', ' ');
}
