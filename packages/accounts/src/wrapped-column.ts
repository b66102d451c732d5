/** A column of wrapped secrets. Each domain names its own, so that a new vault key reaches them all, and what cannot be read is named in plain words (docs/decisions/0301). */
export interface WrappedColumn {
  /** What the page translates: `second-factor`. Unique. */
  kind: string;
  table: string;
  column: string;
  /** SQL of the primary key, as text: `id`. */
  key: string;
  /** SQL of what a person calls the row: `name`, or `json_extract(settings, '$.host')`. */
  nameSql: string;
  /** What `wrap` was told for the row with this key. */
  purpose(key: string): string;
  /** In English: 'second factor of ada'. */
  words(name: string): string;
}
