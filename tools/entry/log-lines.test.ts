import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { humanLine } from './log-lines.mjs';

const line = (more: object) => JSON.stringify({ level: 30, time: '2026-01-02T03:04:05.678Z', program: 'base', pid: 7, ...more });

test('a line of the log reads as time, program, event and fields', () => {
  assert.match(
    humanLine(line({ event: 'site-program.started', restarts: 2, why: 'it was killed', address: '192.0.2.1:80' })),
    /^2026-01-0\d \d\d:\d\d:05\.678  base {10}site-program\.started  restarts=2  why="it was killed"  address=192\.0\.2\.1:80$/,
  );
  assert.match(
    humanLine(line({ level: 50, event: 'failed', err: { message: 'no room', stack: 'x' } })),
    /ERROR failed  err="no room"$/,
  );
});

test('what is no event stays as it is, and a value cannot begin another line', () => {
  for (const text of ['node: out of memory', '{"a":1}', 'null', '']) assert.equal(humanLine(text), text);
  assert.ok(!humanLine(line({ event: 'odd', reason: 'a\nb\u001b[2J' })).match(/[\n\u001b]/));
});

test('the log command shows lines for people, and with --json the log as it is', () => {
  const home = mkdtempSync(join(tmpdir(), 'bascule-log-'));
  const show = (...more: string[]) =>
    spawnSync(process.execPath, [join(import.meta.dirname, 'appliance.mjs'), 'log', '--home', home, ...more], {
      encoding: 'utf8',
    });
  try {
    chmodSync(home, 0o755);
    mkdirSync(join(home, 'log'));
    const log = `${line({ event: 'ready' })}\n`;
    writeFileSync(join(home, 'log', 'appliance.log'), log);
    assert.match(show().stdout, /^\S+ \S+  base {10}ready\n$/);
    assert.equal(show('--json').stdout, log);
  } finally {
    rmSync(home, { recursive: true });
  }
});
