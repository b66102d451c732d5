/** What a spreadsheet would take for a formula. */
const FORMULA = /^[=+\-@\t\r]/;

/** A row of values as one line of CSV (RFC 4180). Names come from machines: what would be a formula is made text by an apostrophe. */
export function csvLine(values: readonly string[]): string {
  return `${values.map((value) => `"${(FORMULA.test(value) ? `'${value}` : value).replaceAll('"', '""')}"`).join(',')}\r\n`;
}
