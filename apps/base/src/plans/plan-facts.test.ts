import assert from 'node:assert/strict';
import { test } from 'node:test';
import { must } from '@bascule/core/must.ts';
import { openAgreements } from './plan-facts.ts';
import { shownPlan } from './plan-shown.ts';
import { installProcedure } from './step-install.ts';
import { PLAN, TwoAppliances } from './testing.ts';

test('a plan names the packages whose licence agreement nobody has accepted, once each and as people know them', () => {
  const record = { ...TwoAppliances.record('rolling'), acceptedBy: {} };
  const offer = (target: string, eulaAcceptedBy: string | null) => ({
    target,
    kind: 'site' as const,
    version: '0.2.0',
    downloaded: true,
    sha256: null,
    eulaAcceptedBy,
    expectedSeconds: null,
  });
  const base = { target: 'base/0.2.0', kind: 'base', version: '0.2.0' };
  const site = { target: 'site/0.2.0', kind: 'site', version: '0.2.0' };
  const open = openAgreements(record, { installable: [offer('site/0.2.0', null)] });
  assert.deepEqual(open, [base, site]);
  assert.deepEqual(shownPlan(PLAN, 'A', record, open).agreements, [base, site]);
  assert.deepEqual(openAgreements(record, { installable: [offer('site/0.2.0', 'Ada')] }), [base], 'accepted since');
  assert.deepEqual(openAgreements({ ...record, acceptedBy: { 'base/0.2.0': 'Bob' } }, { installable: [] }), [site]);
});

test('a step that waits for an agreement names its package as people know it', async () => {
  const record = { ...TwoAppliances.record('rolling'), acceptedBy: {} };
  const step = must(
    record.core.steps.find(({ kind }) => kind === 'install-base'),
    'an installation',
  );
  const precondition = must(installProcedure.precondition, 'a precondition');
  const task = { plan: PLAN, record, step, part: 'precondition' as const, attempt: 1, waitedMs: 0 };
  const outcome = await precondition(new TwoAppliances('rolling'), task);
  assert.ok(outcome.kind === 'refused');
  assert.deepEqual([outcome.note.code, outcome.note.params['target']], ['agreement', 'base 0.2.0']);
});
