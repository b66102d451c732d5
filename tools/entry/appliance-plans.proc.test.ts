import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { startTicksOf } from './control.mjs';

const home = mkdtempSync(join(tmpdir(), 'bascule-plan-command-'));
chmodSync(home, 0o755);
const ID = 'pln_01920c5e-7000-7000-8000-000000000001';
const step = (number: number, kind: string, state: string, notes: object[] = []) => ({
  number,
  kind,
  on: 'alpha',
  window: 1,
  undo: 'nothing',
  state,
  expectedSeconds: 30,
  startedAtMs: 1_000,
  endedAtMs: state === 'done' ? 3_000 : null,
  params: {},
  notes,
  progress: null,
});
const plan = (state: string, steps: object[], more: object = {}) => ({
  id: ID,
  kind: 'rolling',
  runner: 'alpha',
  by: 'Ada',
  state,
  isUndoing: false,
  steps,
  windows: [],
  consumersByAddress: [],
  report: null,
  ...more,
});

/** What the appliance of the test answers to each request, one after another; the last stays. */
let answers: unknown[] = [];
let requests: Record<string, unknown>[] = [];
const server: Server = createServer((socket) => {
  socket
    .on('error', () => undefined)
    .once('data', (chunk) => {
      requests.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
      socket.end(`${JSON.stringify(answers.length > 1 ? answers.shift() : answers[0])}\n`);
    });
});

async function run(...args: string[]): Promise<{ code: number; text: string }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'appliance.mjs'), 'plan', ...args, '--home', home]);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  const [code] = (await once(child, 'close')) as [number];
  return { code, text };
}

describe('upgrade plans on the command line', { concurrency: false }, () => {
  before(async () => {
    mkdirSync(join(home, 'run', 'control'), { recursive: true });
    await new Promise<void>((resolve) => server.listen(join(home, 'run', 'control', 'control.sock'), resolve));
    const startTicks = startTicksOf(process.pid);
    writeFileSync(join(home, 'run', 'boot.json'), JSON.stringify({ pid: process.pid, startTicks, address: '' }));
  });
  after(() => {
    server.close();
    rmSync(home, { recursive: true });
  });
  beforeEach(() => {
    requests = [];
  });

  it('make a plan, run it through, and end when somebody has to look', async () => {
    const shown = plan('shown', [step(1, 'backup', 'waiting')]);
    const looks = [
      step(1, 'backup', 'done'),
      step(2, 'verify', 'waits-for-person', [{ code: 'x', text: 'No client.', params: {} }]),
    ];
    answers = [
      { ok: true, plan: shown },
      { ok: true, plans: { current: shown, unavailable: {} } },
      { ok: true, plan: shown },
      { ok: true, plan: plan('waits-for-person', looks) },
    ];
    const { code, text } = await run('run', 'rolling');
    assert.equal(code, 3, text);
    assert.deepEqual(requests.slice(0, 3), [
      { kind: 'plan-make', planKind: 'rolling' },
      { kind: 'plans' },
      { kind: 'plan-run', id: ID, through: true, overrule: [] },
    ]);
    assert.match(text, /No client\.\nThe plan waits at step 2 for somebody to look\..* plan confirm/);
  });

  it('say why a plan is paused, and how to overrule what was amber', async () => {
    const note = { code: 'amber', text: '3 clients are behind.', params: { codes: 'clients-pending' } };
    const paused = plan('paused', [step(1, 'install-base', 'failed', [note])]);
    answers = [
      { ok: true, plans: { current: paused, unavailable: {} } },
      { ok: true, plan: paused },
    ];
    const { code, text } = await run('run', '--step-by-step', '--overrule', 'disk-space');
    assert.equal(code, 1);
    assert.deepEqual(requests[1], { kind: 'plan-run', id: ID, through: false, overrule: ['disk-space'] });
    assert.match(text, /The plan is paused\. 3 clients are behind\.\nTo go on: .* plan run --overrule clients-pending/);
  });

  it('refuse a kind that there is none of, and pass on why the appliance refuses', async () => {
    assert.deepEqual([(await run('run', 'sideways')).code, requests.length], [64, 0]);
    answers = [{ ok: false, error: 'There is nothing newer to install.' }];
    assert.deepEqual(await run('make', 'single'), { code: 1, text: 'bascule: There is nothing newer to install.\n' });
  });
});
