/** Instants as people read them, in their language and time zone. */
const DAY_MS = 86_400_000;
const HALF_YEAR_MS = 182 * DAY_MS;
const formats = new Map<
  string,
  { time: Intl.DateTimeFormat; day: Intl.DateTimeFormat; month: Intl.DateTimeFormat; full: Intl.DateTimeFormat }
>();

function formatsOf(language: string) {
  let found = formats.get(language);
  if (!found) {
    found = {
      time: new Intl.DateTimeFormat(language, { hour: 'numeric', minute: '2-digit' }),
      day: new Intl.DateTimeFormat(language, { month: 'short', day: 'numeric' }),
      month: new Intl.DateTimeFormat(language, { year: 'numeric', month: 'short' }),
      full: new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'medium' }),
    };
    formats.set(language, found);
  }
  return found;
}

/** As little as tells it: the time of day for the last day, the day for half a year, otherwise the month. */
export function shortTime(atMs: number, language: string, nowMs: number): string {
  const { time, day, month } = formatsOf(language);
  const ageMs = nowMs - atMs;
  return (ageMs < DAY_MS ? time : ageMs < HALF_YEAR_MS ? day : month).format(atMs);
}

/** Date and time to the second. */
export function fullTime(atMs: number, language: string): string {
  return formatsOf(language).full.format(atMs);
}
