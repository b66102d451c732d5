import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { planLines, planStepLine, reportLines } from './plans-lines.mjs';

const STEP = {
  number: 4,
  kind: 'install-base',
  on: 'alpha',
  window: 1,
  undo: 'taken-back',
  state: 'waiting',
  expectedSeconds: 90,
  startedAtMs: null,
  endedAtMs: null,
  params: { from: '0.1.0', to: '0.2.0' },
  notes: [],
  progress: null,
};

describe('lines about upgrade plans', () => {
  it('shows a step with who does it, what it takes, and how far it is', () => {
    assert.match(planStepLine(STEP), /^ {3}4 alpha {10}install base 0\.2\.0 .* about 90 s window 1$/);
    const running = { ...STEP, state: 'running', startedAtMs: 0, progress: { done: 3, total: 14, text: 'stage' } };
    assert.match(planStepLine(running), /\.\.\. {4}stage 3 of 14$/);
    assert.match(planStepLine({ ...STEP, state: 'done', startedAtMs: 0, endedAtMs: 4_200 }), /ok {5}4\.2 s$/);
  });

  it('says beforehand when it is quiet, who connects by address, and up to where it can be taken back', () => {
    const plan = {
      id: 'pln_1',
      kind: 'rolling',
      runner: 'alpha',
      by: 'Ada',
      state: 'shown',
      isUndoing: false,
      steps: [STEP, { ...STEP, number: 12, kind: 'migrate', undo: 'impossible', params: {} }],
      agreements: [{ target: 'site/bascule-site-0.2.0.tar.zst', kind: 'site', version: '0.2.0' }],
      windows: [{ number: 1, expectedSeconds: 600, proposedAtMs: null }],
      consumersByAddress: [{ name: 'reporter/1', address: '10.0.0.7' }],
    };
    const text = planLines(plan).join('\n');
    assert.match(text, /rolling upgrade plan pln_1 on alpha, by Ada: shown/);
    assert.match(text, /accept the licence agreement of site 0\.2\.0:/);
    assert.match(text, /Window 1: about 10 min$/m);
    assert.match(text, /by IP address.*reporter\/1 at 10\.0\.0\.7/);
    assert.match(text, /until step 12 \(migrate\)/);
  });

  it('sums a report up', () => {
    const side = { appliance: 'alpha', base: '0.1.0', site: '0.1.0' };
    const lines = reportLines({
      before: [side],
      after: [{ ...side, base: '0.2.0', site: '0.2.0', role: 'primary' }],
      withoutServiceMs: 400,
      serviceAsked: { url: 'https://support.example/login', answeredBy: [] },
      sessions: { before: 3, ended: 0 },
      lagAtSwitch: { changes: 0, seconds: 0 },
      clients: { total: 5, current: 4, pending: 1, absent: 1 },
      testSession: { outcome: 'passed' },
    });
    assert.match(
      lines.join('\n'),
      /alpha: base 0\.1\.0 to 0\.2\.0, site 0\.1\.0 to 0\.2\.0, primary\n.*0\.4 s \(asked: https:\/\/support\.example\/login\); sessions ended: 0 of 3/,
    );
  });
});
