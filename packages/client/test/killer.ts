/** Loaded into a supervisor: notes each fsync and rename, and kills it right before or after one of the renames. `TEST_KILL`: JSON of [step, 'before' or 'after', file of notes]. */
export const KILLER = `
import fs from 'node:fs';
import { basename } from 'node:path';
import { syncBuiltinESMExports } from 'node:module';
const [at, when, notes] = JSON.parse(process.env.TEST_KILL);
delete process.env.TEST_KILL;
const names = new Map();
const { openSync, fsyncSync, renameSync, rmSync } = fs;
const note = (text) => fs.appendFileSync(notes, text + '\\n');
let count = 0;
fs.openSync = (path, ...rest) => { const fd = openSync(path, ...rest); names.set(fd, basename(String(path))); return fd; };
fs.fsyncSync = (fd) => { fsyncSync(fd); note('sync ' + names.get(fd)); };
const step = (work, text) => {
  count += 1;
  if (count === at && when === 'before') process.kill(process.pid, 'SIGKILL');
  work();
  note(text);
  if (count === at && when === 'after') process.kill(process.pid, 'SIGKILL');
};
fs.renameSync = (from, to) => step(() => renameSync(from, to), 'rename ' + basename(from) + ' ' + basename(to));
fs.rmSync = (path, ...rest) => step(() => rmSync(path, ...rest), 'remove ' + basename(path));
syncBuiltinESMExports();
`;
