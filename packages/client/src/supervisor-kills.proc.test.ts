/** The real supervisor with programs of a few lines: killed at each step of an upgrade, it comes to the same end. With the real program: upgrade.proc.test.ts. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { KILLER } from '../test/killer.ts';

const SUPERVISOR = join(import.meta.dirname, '..', 'supervisor', 'supervisor.mjs');
const OLD = '0.2.0-000000000000';
const NEW = '0.3.0-111111111111';
const ORDER = 'cup_order';
const LIMIT = { timeout: 30_000 };
type Cleanup = { after(work: () => Promise<void> | void): void };

/** Says that it started, asks for a trial of NEW as often as `wanted` names another number, and is well or bad when it is on trial itself. */
const PROGRAM = `
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
const home = process.env.BASCULE_PROGRAM_FOLDER;
const text = (name) => existsSync(home + '/' + name) ? readFileSync(home + '/' + name, 'utf8') : '';
process.send({ kind: 'started' });
process.on('message', ({ kind }) => kind === 'stop' && process.exit(0));
process.on('disconnect', () => process.exit(0));
const isTrial = process.argv.includes('--trial');
if (isTrial && text('bad') !== '') { process.stderr.write('the cat ate it\\n'); process.exit(7); }
if (isTrial) process.send({ kind: 'healthy' });
const look = () => {
  if (isTrial || text('asked') === text('wanted')) return;
  writeFileSync(home + '/asked', text('wanted'));
  process.send({ kind: 'try', folder: '${NEW}', order: '${ORDER}', version: '0.3.0', healthSeconds: 60 });
};
setInterval(look, 20);
writeFileSync(home + '/runs', JSON.stringify({ pid: process.pid, folder: import.meta.dirname.split('/').at(-1) }));
`;

/** A program folder with two bundles, and its supervisor. */
class Installation {
  readonly directory = mkdtempSync(join(tmpdir(), 'bascule-supervisor-'));
  #supervisor: ChildProcess | undefined;
  output = '';

  constructor() {
    const runtime = join(this.directory, 'runtimes', 'r', 'bin');
    mkdirSync(runtime, { recursive: true });
    symlinkSync(process.execPath, join(runtime, 'node'));
    for (const folder of [OLD, NEW]) {
      mkdirSync(join(this.directory, 'bundles', folder), { recursive: true });
      this.write(`bundles/${folder}/main.mjs`, PROGRAM);
      this.write(`bundles/${folder}/runtime.txt`, 'r\n');
    }
    this.write('current', `${OLD}\n`);
    this.write('killer.mjs', KILLER);
    // Pauses that tests cannot afford, shorter.
    const hurried = readFileSync(SUPERVISOR, 'utf8').replace('TRY_PAUSE_MS = 1000', 'TRY_PAUSE_MS = 20');
    this.write('supervisor.mjs', hurried.replace('RESTART_FIRST_MS = 1000', 'RESTART_FIRST_MS = 20'));
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.directory, name), text);
  }

  text(name: string): string | undefined {
    try {
      return readFileSync(join(this.directory, name), 'utf8').trim();
    } catch {
      return undefined;
    }
  }

  /** Starts the supervisor, which is killed at a step if `kill` says so. */
  start(kill?: [number, 'before' | 'after']): ChildProcess {
    const notes = join(this.directory, 'notes');
    const imports = kill === undefined ? [] : ['--import', join(this.directory, 'killer.mjs')];
    const child = spawn(process.execPath, [...imports, join(this.directory, 'supervisor.mjs')], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...(kill && { TEST_KILL: JSON.stringify([...kill, notes]) }) },
    });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (bytes: Buffer) => (this.output += bytes.toString('utf8')));
    this.#supervisor = child;
    return child;
  }

  async stop(): Promise<void> {
    const child = this.#supervisor;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const closed = once(child, 'close');
      child.kill('SIGTERM');
      await closed;
    }
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }

  /** What became of the order, once it is over and `folder` runs. */
  async end(folder: string): Promise<{ order: string; state: string; failure?: string; reason?: string }> {
    await waitUntil('the order is over', () => this.text('outcome.json') !== undefined && this.text('trial.json') === undefined);
    await waitUntil('the right program runs', () => JSON.parse(this.text('runs') ?? '{}').folder === folder);
    return JSON.parse(this.text('outcome.json') ?? '{}');
  }
}

/** Its supervisor was killed at a step of an order, and has been started again; what it had done until then. */
async function killedAt(context: Cleanup, step: number, when: 'before' | 'after', isBad = false) {
  const installation = new Installation();
  context.after(() => installation.stop());
  if (isBad) installation.write('bad', 'yes');
  const supervisor = installation.start([step, when]);
  installation.write('wanted', '1');
  const [, signal] = (await once(supervisor, 'exit')) as [number | null, string | null];
  assert.equal(signal, 'SIGKILL', installation.output);
  const notes = (installation.text('notes') ?? '').split('\n').filter((line) => /^(rename|remove)/.test(line));
  installation.start();
  return { installation, last: notes.at(-1) };
}

describe('a supervisor that is killed', { concurrency: 3 }, () => {
  const steps: [number, 'before' | 'after', string][] = [
    [1, 'after', 'rename trial.json.next trial.json'],
    [2, 'before', 'rename trial.json.next trial.json'],
    [2, 'after', 'rename trial.json.next trial.json'],
    [3, 'before', 'rename trial.json.next trial.json'],
    [3, 'after', 'rename previous.next previous'],
    [4, 'before', 'rename previous.next previous'],
    [4, 'after', 'rename current.next current'],
    [5, 'before', 'rename current.next current'],
    [5, 'after', 'rename outcome.json.next outcome.json'],
    [6, 'before', 'rename outcome.json.next outcome.json'],
  ];
  for (const [step, when, expected] of steps) {
    test(`${when} its step ${step} of a good upgrade: it is done all the same`, LIMIT, async (context) => {
      const { installation, last } = await killedAt(context, step, when);
      assert.equal(last, expected);
      const { order, state } = await installation.end(NEW);
      assert.deepEqual([order, state], [ORDER, 'done'], installation.output);
      assert.deepEqual([installation.text('current'), installation.text('previous')], [NEW, OLD]);
    });
  }

  test('before the trial is written down: nothing is tried until it is ordered again', LIMIT, async (context) => {
    const { installation, last } = await killedAt(context, 1, 'before');
    assert.equal(last, undefined);
    await waitUntil('the old program runs', () => JSON.parse(installation.text('runs') ?? '{}').folder === OLD);
    assert.equal(installation.text('current'), OLD);
    assert.equal(installation.text('trial.json'), undefined);
    installation.write('wanted', '2');
    assert.equal((await installation.end(NEW)).state, 'done');
  });

  const badSteps: [number, 'before' | 'after'][] = [
    [2, 'after'],
    [3, 'after'],
    [4, 'after'],
    [5, 'before'],
    [5, 'after'],
    [6, 'before'],
  ];
  for (const [step, when] of badSteps) {
    test(`${when} its step ${step} with a bad program: given up once, and noted`, LIMIT, async (context) => {
      const { installation } = await killedAt(context, step, when, true);
      const { state, failure } = await installation.end(OLD);
      assert.deepEqual([state, failure], ['rolled-back', 'does-not-start'], installation.output);
      assert.equal(installation.text('current'), OLD);
      const tries = installation.output.split(`trying ${NEW}`).length - 1;
      assert.ok(tries <= 3, `it was tried ${tries} times`);
    });
  }
});
