import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { askLocally, knownPipe, LocalControl, newPipe } from './local-control.ts';

const answer = () => Promise.resolve({ code: 0, lines: ['runs'] });

test('a program that cannot be asked works all the same, and can be asked later', async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'bascule-control-'));
  t.after(() => rmSync(home, { recursive: true }));
  t.mock.timers.enable({ apis: ['setTimeout'] });
  mkdirSync(join(home, 'control.sock', 'in-the-way'), { recursive: true });
  const failures: unknown[] = [];
  const control = await LocalControl.open(home, answer, (error) => failures.push(error));
  assert.equal(failures.length, 1);
  rmSync(join(home, 'control.sock'), { recursive: true });
  assert.equal(await askLocally(home, 'status'), undefined);
  t.mock.timers.tick(60_000);
  t.mock.timers.reset();
  await waitUntil('it answers', async () => (await askLocally(home, 'status'))?.code === 0);
  control.close();
  assert.equal(await askLocally(home, 'status'), undefined);
});

test('the pipe of Windows has another name at each start, which only the closed folder tells', (t) => {
  const home = mkdtempSync(join(tmpdir(), 'bascule-pipe-'));
  t.after(() => rmSync(home, { recursive: true }));
  assert.equal(knownPipe(home), undefined);
  const [first, second] = [newPipe(home), newPipe(home)];
  assert.notEqual(first, second);
  assert.match(second, /^\\\\\.\\pipe\\bascule-[0-9a-f]{32}$/);
  assert.equal(knownPipe(home), second);
  assert.equal(statSync(join(home, 'control-pipe')).mode & 0o777, 0o600);
  writeFileSync(join(home, 'control-pipe'), '..\\somebody-elses');
  assert.equal(knownPipe(home), undefined);
});
