/**
 * Whether SQL that came over the wire does nothing but add tables, plain indexes and columns: the only kind that a follower runs although its own software does not know it.
 * Everything that is not on the list is refused; so is what SQLite would allow and our migrations never use.
 */
import { LOCAL_TABLES } from './local-tables.ts';

const SQL_MAX_CHARACTERS = 256 * 1024;
const STATEMENTS_MAX = 500;
/** Words, numbers, strings without an escape, and the few signs that definitions of ours consist of. Names are never quoted. */
const TOKEN = /[A-Za-z_][A-Za-z0-9_]*|\d+(?:\.\d+)?|'[^'\0]*'|--[^\n]*(?:\n|$)|<=|>=|<>|!=|[(),;=<>+-]|\s+/y;
const WORD = /^[A-Za-z_]/;
/** Whatever reads or changes rows, computes, or reaches beyond the table: none of them is in a definition of ours. */
const REFUSED_WORDS = new Set(
  `AS SELECT WITH VALUES INSERT UPDATE REPLACE DROP RENAME TRIGGER VIEW VIRTUAL TEMP TEMPORARY GENERATED ALWAYS AUTOINCREMENT ATTACH DETACH PRAGMA VACUUM REINDEX ANALYZE BEGIN
  COMMIT ROLLBACK SAVEPOINT RELEASE END EXPLAIN USING RETURNING FROM WHERE UNION LOAD_EXTENSION RAISE CASE CONFLICT`.split(/\s+/),
);
/** A word before a parenthesis is a call of a function, unless it is one of these. */
const OPENING_WORDS = new Set(['CHECK', 'KEY', 'UNIQUE', 'IN', 'DEFAULT', 'AND', 'OR', 'NOT', 'LENGTH']);
const NAME = '(?!SQLITE_)[A-Z_][A-Z0-9_]*';
/** A statement as its words and signs, in capitals, with one space between them. */
const FORMS = [
  new RegExp(`^CREATE TABLE (?<table>${NAME}) \\( .* \\) STRICT(?: , WITHOUT ROWID)?$`),
  new RegExp(
    `^CREATE (?:UNIQUE )?INDEX ${NAME} ON (?<table>${NAME}) \\( ${NAME}(?: DESC| ASC)?(?: , ${NAME}(?: DESC| ASC)?)* \\)$`,
  ),
  new RegExp(`^ALTER TABLE (?<table>${NAME}) ADD COLUMN ${NAME} .*$`),
];

/** Whether `sql` consists of CREATE TABLE, CREATE INDEX and ALTER TABLE ADD COLUMN alone, as our migrations write them, on tables that are followed. */
export function isPlainAddition(sql: string): boolean {
  const statements = statementsOf(sql);
  return statements !== undefined && statements.length > 0 && statements.every(isPlain);
}

function isPlain(tokens: string[]): boolean {
  const text = tokens.join(' ');
  const form = FORMS.map((candidate) => candidate.exec(text)).find((match) => match !== null);
  const table = form?.groups?.['table']?.toLowerCase();
  if (table === undefined || (LOCAL_TABLES as readonly string[]).includes(table)) return false;
  if (!isBalanced(tokens)) return false;
  return tokens.every((token, index) => {
    if (!WORD.test(token)) return true;
    if (REFUSED_WORDS.has(token)) return false;
    return tokens[index + 1] !== '(' || OPENING_WORDS.has(token) || opensColumns(tokens, index);
  });
}

/** The name of a table or index before its columns: `CREATE TABLE name (`, `ON name (`, `REFERENCES name (`. */
function opensColumns(tokens: string[], index: number): boolean {
  const before = tokens[index - 1];
  return before === 'ON' || before === 'REFERENCES' || (before === 'TABLE' && index === 2);
}

function isBalanced(tokens: string[]): boolean {
  let depth = 0;
  for (const token of tokens) {
    if (token === '(') depth += 1;
    if (token === ')') depth -= 1;
    if (depth < 0) return false;
  }
  return depth === 0;
}

/** The statements of `sql` as words and signs in capitals, comments left out; undefined when it holds anything else. */
function statementsOf(sql: string): string[][] | undefined {
  if (sql.length > SQL_MAX_CHARACTERS) return undefined;
  const statements: string[][] = [];
  let tokens: string[] = [];
  const end = () => {
    if (tokens.length > 0) statements.push(tokens);
    tokens = [];
  };
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < sql.length) {
    const token = TOKEN.exec(sql)?.[0];
    if (token === undefined) return undefined;
    if (token === ';') end();
    // What a string says does not matter, but it must not read as anything else.
    else if (token.startsWith("'")) tokens.push("''");
    else if (!/^\s|^--/.test(token)) tokens.push(token.toUpperCase());
  }
  end();
  return statements.length > STATEMENTS_MAX ? undefined : statements;
}
