/** How the primary leads a test of the standby through its steps, and how it ends, whatever the backup says or leaves out (docs/decisions/0255). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AppError } from '@bascule/errors/app-error.ts';
import { createLog } from '@bascule/log/log.ts';
import type { RehearsalOrder, RehearsalReport, RehearsalStep } from '@bascule/protocol/rehearsal.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { LedRehearsal } from './rehearsal-guide-run.ts';

const ID = 'ab'.repeat(16);
const CLIENTS = [
  { id: 'jc_1', name: 'web-1' },
  { id: 'jc_2', name: 'web-2' },
];
const step = (code: RehearsalStep['code'], outcome: RehearsalStep['outcome'] = 'passed', text: string = code) => ({
  code,
  outcome,
  text,
});

/** A backup that says what the test wants, and the run that asks it. */
class Scene {
  readonly said: RehearsalOrder['kind'][] = [];
  readonly events: string[] = [];
  readonly told: string[] = [];
  isAway = false;
  isNameFine = true;
  knowsNothing = new Set<string>();
  sessionOutcome: RehearsalStep['outcome'] = 'passed';
  report: RehearsalReport = {
    rehearsal: ID,
    state: 'preparing',
    startedAtMs: 1,
    endsAtMs: null,
    steps: [step('copy', 'running')],
    clients: CLIENTS.map((client) => ({ ...client, connected: false })),
    sessions: [],
    archive: null,
    reason: null,
  } as RehearsalReport;
  readonly run: LedRehearsal;
  readonly ended: Promise<string>;

  constructor({ watchLimitMs = 10_000, clientsLimitMs = 10_000 } = {}) {
    this.run = new LedRehearsal({
      id: ID,
      users: [{ id: 'usr_1', name: 'ann' }],
      clients: CLIENTS,
      lifeMs: 60_000,
      say: async (order) => await this.#heed(order),
      lookAtName: async () => ({ isFine: this.isNameFine, text: 'the name' }),
      tellClient: (id) => {
        this.told.push(id);
        return !this.knowsNothing.has(id);
      },
      opened: () => void this.events.push('opened'),
      tested: (fault) => void this.events.push(`tested: ${fault}`),
      changed: () => undefined,
      log: createLog('test', 'silent'),
      now: () => 1000,
      timing: { lookEveryMs: 5, watchLimitMs, clientsLimitMs },
    });
    this.ended = this.run.lead();
  }

  open(): void {
    this.report = { ...this.report, state: 'open', endsAtMs: 61_000, steps: [step('copy'), step('open')] };
  }

  link(...ids: string[]): void {
    const clients = this.report.clients.map((client) => ({ ...client, connected: client.connected || ids.includes(client.id) }));
    this.report = { ...this.report, clients };
  }

  get outcomes(): string[] {
    return this.run.steps.map(({ code, outcome }) => `${code} ${outcome}`);
  }

  async #heed(order: RehearsalOrder): Promise<RehearsalReport> {
    this.said.push(order.kind);
    if (this.isAway) throw new AppError('unavailable', 'PAIR_UNREACHABLE', 'The peer cannot be reached.');
    if (order.kind === 'test-session')
      this.report = { ...this.report, steps: [...this.report.steps, step('session', this.sessionOutcome, 'it broke')] };
    return this.report;
  }
}

test('step by step, and nobody may enter before the last one is done; a person ends it', async () => {
  const scene = new Scene();
  await waitUntil('the copy is shown', () => scene.outcomes.includes('copy running'));
  assert.deepEqual([scene.run.state.state, scene.told], ['preparing', []]);
  scene.open();
  await waitUntil('clients are told', () => scene.told.length === 2);
  scene.link('jc_1');
  assert.equal(scene.run.isOpen, false);
  scene.link('jc_2');
  await waitUntil('it is open', () => scene.run.isOpen);
  assert.deepEqual(scene.outcomes, ['copy passed', 'open passed', 'name passed', 'clients passed', 'session passed']);
  assert.deepEqual(scene.events, ['tested: undefined', 'opened']);
  assert.deepEqual([scene.run.state.state, scene.run.endsAtMs], ['open', 61_000]);
  // Whoever comes back to the primary is told again, and nobody else.
  scene.run.clientCame('jc_2');
  scene.run.clientCame('jc_of-nobody');
  assert.deepEqual(scene.told, ['jc_1', 'jc_2', 'jc_2']);
  scene.run.end('ann ended it.');
  scene.run.clientCame('jc_2');
  assert.equal(scene.told.length, 3);
  assert.equal(scene.run.isOpen, false, 'at once');
  assert.equal(await scene.ended, 'ann ended it.');
  assert.equal(scene.run.state.state, 'closed');
});

test('what fails is shown with its reason, and the test goes on; it counts as failed', async () => {
  const scene = new Scene({ clientsLimitMs: 50 });
  scene.isNameFine = false;
  scene.knowsNothing.add('jc_2');
  scene.sessionOutcome = 'failed';
  scene.open();
  scene.link('jc_1');
  await waitUntil('it is open', () => scene.run.isOpen);
  assert.deepEqual(scene.outcomes, ['copy passed', 'open passed', 'name failed', 'clients failed', 'session failed']);
  const text = scene.run.steps.find(({ code }) => code === 'clients')?.text ?? '';
  assert.match(text, /Not connected to the scratch copy: web-2 \(it is not connected, or its version knows no test\)\./);
  assert.deepEqual(scene.events, ['tested: the name', 'opened']);
  scene.report = { ...scene.report, state: 'closed', reason: 'Its time is over.' };
  assert.equal(await scene.ended, 'Its time is over.');
  assert.equal(scene.run.state.state, 'failed');
});

test('a client says itself why it has no second link', async () => {
  const scene = new Scene({ clientsLimitMs: 300 });
  scene.open();
  await waitUntil('clients are told', () => scene.told.length === 2);
  scene.link('jc_1');
  scene.run.clientSaid('jc_2', false, 'nothing listens on that port');
  await waitUntil('it is open', () => scene.run.isOpen);
  assert.match(scene.run.steps.find(({ code }) => code === 'clients')?.text ?? '', /web-2 \(nothing listens on that port\)/);
  scene.run.end('over');
  await scene.ended;
});

for (const [what, happens, reason] of [
  ['the copy fails', { state: 'failed', reason: 'The disk is full.' }, 'The disk is full.'],
  ['the backup was started anew', { state: 'none', rehearsal: null }, 'The backup knows nothing of it: it was started anew.'],
  ['somebody ended it there', { state: 'ending', reason: null }, 'The backup ended it.'],
] as const) {
  test(`before it is open, ${what}: it is over, nobody was ever let in, and there is an alarm`, async () => {
    const scene = new Scene();
    scene.report = { ...scene.report, ...happens };
    assert.equal(await scene.ended, reason);
    assert.deepEqual(scene.events, [`tested: ${reason}`]);
    assert.equal(scene.run.state.state, 'failed');
  });
}

test('a backup that answers no more ends it within the limit, also when it is open', async () => {
  const scene = new Scene({ watchLimitMs: 40 });
  scene.open();
  scene.link('jc_1', 'jc_2');
  await waitUntil('it is open', () => scene.run.isOpen);
  scene.isAway = true;
  assert.equal(await scene.ended, 'The backup did not answer any more.');
  assert.equal(scene.run.isOpen, false);
  const asked = scene.said.length;
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(scene.said.length, asked, 'it is asked no more');
});
