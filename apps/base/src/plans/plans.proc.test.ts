import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { homePaths } from '@bascule/core/home.ts';
import { must } from '@bascule/core/must.ts';
import { createLog } from '@bascule/log/log.ts';
import type { ControlAnswer, ControlRequest } from '@bascule/protocol/appliance-control.ts';
import { planReport, type Plan, type PlansState } from '@bascule/protocol/api/plans.ts';
import { SYSTEM } from '@bascule/store/store.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { openBoxStore } from '../box-store.ts';
import type { PlanRecord } from './plan-contract.ts';
import { planCameOn } from './plan-events.ts';
import { PlanJournal } from './plan-journal.ts';
import { PLAN, TwoAppliances } from './testing.ts';

const MAIN = join(import.meta.dirname, '..', 'main.ts');
const VERIFY = join(import.meta.dirname, '..', '..', '..', '..', 'tools', 'verify', 'verify.mjs');

/** base with its site, as boot starts it, with this process in boot's place. */
class Bench implements AsyncDisposable {
  readonly home = mkdtempSync(join(tmpdir(), 'bascule-plans-'));
  readonly paths = homePaths(this.home);
  readonly socket = new net.BoundSocket({ host: '127.0.0.1', port: 0 });
  #child: ChildProcess | undefined;

  async start(): Promise<void> {
    const place = [
      '--home',
      this.home,
      '--listen',
      '127.0.0.1',
      '--port',
      `${this.socket.address().port}`,
      '--name',
      'localhost',
    ];
    const child = spawn(process.execPath, [MAIN, ...place], {
      stdio: ['ignore', 'ignore', 'ignore', this.socket.fd(), 'ipc'],
      cwd: '/',
    });
    this.#child = child;
    const [message] = (await once(child, 'message')) as [{ kind: string; message?: string }];
    assert.equal(message.kind, 'ready', message.message ?? 'base does not start');
  }

  async kill(): Promise<void> {
    const child = must(this.#child, 'base');
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  async ask(request: ControlRequest): Promise<ControlAnswer> {
    const connection = net.connect(this.paths.controlSocket);
    connection.write(`${JSON.stringify(request)}\n`);
    let answer = '';
    for await (const piece of connection.setEncoding('utf8')) answer += String(piece);
    return JSON.parse(answer) as ControlAnswer;
  }

  async plan(): Promise<Plan> {
    const { plans } = await this.ask({ kind: 'plans' });
    return must((plans as PlansState).current, 'a plan');
  }

  get backups(): string[] {
    try {
      return readdirSync(this.paths.backups).filter((name) => !name.endsWith('.part'));
    } catch {
      return [];
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    this.socket.close();
    rmSync(this.home, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

/** A plan for one appliance that was cut in its first step: its action was begun, and nobody knows what became of it. */
function cutPlan(): PlanRecord {
  const record = TwoAppliances.record('single');
  const [backup, report] = [must(record.core.steps[0], 'a step'), must(record.core.steps.at(-1), 'a step')];
  const steps = [
    { ...backup, state: 'running' as const, acted: true, startedAtMs: Date.now() },
    { ...report, number: 2 },
  ];
  return {
    ...record,
    startedAtMs: Date.now(),
    core: { ...record.core, mode: 'running', runsThrough: true, phase: 'action', token: 7, steps },
  };
}

it('a plan that base was killed in goes on in the next base, does nothing twice, and ends with a report that can be checked', async () => {
  await using bench = new Bench();
  mkdirSync(bench.paths.box, { recursive: true, mode: 0o700 });
  const store = openBoxStore({ path: bench.paths.boxDatabase, appliance: 'A', log: createLog('test', 'silent') });
  new PlanJournal(store).write(SYSTEM, planCameOn({ plan: PLAN, step: 1, state: 'running action' }), {
    id: PLAN,
    record: cutPlan(),
  });
  store.close();

  await bench.start();
  await waitUntil('the backup was made', () => bench.backups[0]);
  await bench.kill();
  await bench.start();
  const ended = await waitUntil('the plan has ended', async () => {
    const plan = await bench.plan();
    return plan.state === 'done' ? plan : undefined;
  });

  // Cut before its record knew that it was written, it is made again; that record says so.
  assert.ok([1, 2].includes(bench.backups.length), bench.backups.join());
  assert.deepEqual(
    ended.steps.map(({ state }) => state),
    ['done', 'done'],
  );
  const signed = must(ended.report, 'the report');
  const report = planReport.parse(JSON.parse(signed.statement));
  assert.equal(report.plan, PLAN);
  assert.ok(report.withoutServiceMs !== null, 'the shared address was asked');
  const file = join(bench.home, 'report.json');
  writeFileSync(file, `${JSON.stringify(signed)}\n`);
  const verified = spawnSync(process.execPath, [VERIFY, 'plan-report', file], { encoding: 'utf8' });
  assert.equal(verified.status, 0, verified.stdout + verified.stderr);
  // It is over, and stays so.
  const again = await bench.ask({ kind: 'plan-run', id: PLAN, through: true, overrule: [] });
  assert.deepEqual([again.ok, again.error], [false, 'This plan has ended; make a new one.']);
});
