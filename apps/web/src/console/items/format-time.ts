/** Instants as people read them, in their language and time zone. */
const DAY_MS = 86_400_000;
const formats = new Map<string, { time: Intl.DateTimeFormat; day: Intl.DateTimeFormat; full: Intl.DateTimeFormat }>();

function formatsOf(language: string) {
  let found = formats.get(language);
  if (!found) {
    found = {
      time: new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit' }),
      day: new Intl.DateTimeFormat(language, { year: 'numeric', month: '2-digit', day: '2-digit' }),
      full: new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'medium' }),
    };
    formats.set(language, found);
  }
  return found;
}

/** The time of day for the last day, otherwise the date: for narrow columns. */
export function shortTime(atMs: number, language: string, nowMs: number): string {
  const { time, day } = formatsOf(language);
  return (nowMs - atMs < DAY_MS ? time : day).format(atMs);
}

/** Date and time to the second. */
export function fullTime(atMs: number, language: string): string {
  return formatsOf(language).full.format(atMs);
}
