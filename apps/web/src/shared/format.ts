import i18next from 'i18next';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** A byte count in binary units with three significant digits: `1.50 MiB`. */
export function formatBytes(bytes: number, language: string = i18next.language): string {
  const step = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), UNITS.length - 1);
  const value = bytes / 1024 ** step;
  const digits = step === 0 ? 0 : value < 10 ? 2 : value < 100 ? 1 : 0;
  return `${value.toLocaleString(language, { minimumFractionDigits: digits, maximumFractionDigits: digits })} ${UNITS[step]}`;
}

/** A whole number with the language's separators: `15,000`. */
export function formatCount(count: number, language: string = i18next.language): string {
  return Math.round(count).toLocaleString(language);
}

/** An instant in the browser's time zone, to the second, always with its date: `2026-11-21 05:03:24` reads the same in all languages. */
export function formatInstant(atMs: number): string {
  return `${formatMinute(atMs)}:${twoDigits(new Date(atMs).getSeconds())}`;
}

/** As formatInstant, to the minute: `2026-11-21 05:03`. */
export function formatMinute(atMs: number): string {
  const at = new Date(atMs);
  const day = `${at.getFullYear()}-${twoDigits(at.getMonth() + 1)}-${twoDigits(at.getDate())}`;
  return `${day} ${twoDigits(at.getHours())}:${twoDigits(at.getMinutes())}`;
}

/** The time of day alone, of an instant within hours: `05:03`. */
export function formatTimeOfDay(atMs: number): string {
  const at = new Date(atMs);
  return `${twoDigits(at.getHours())}:${twoDigits(at.getMinutes())}`;
}

/** As formatInstant, with the time zone it is in: `2026-11-21 05:03:24 (Europe/Berlin)`. */
export function formatInstantWithZone(atMs: number): string {
  return `${formatInstant(atMs)} (${Intl.DateTimeFormat().resolvedOptions().timeZone})`;
}

function twoDigits(number: number): string {
  return String(number).padStart(2, '0');
}

/** A length of time in its two largest units: `3 d 4 h`, `12 min 5 s`. */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ];
  const first = parts.findIndex(([amount]) => amount > 0);
  if (first === -1) return '0 s';
  const shown = parts.slice(first, first + 2).filter(([amount], index) => index === 0 || amount > 0);
  return shown.map(([amount, unit]) => `${amount} ${unit}`).join(' ');
}
