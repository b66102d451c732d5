import assert from 'node:assert/strict';
import { verify, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { PlanReport } from '@bascule/protocol/api/plans.ts';
import { signReport } from './pair-orders.ts';

const PLAN = 'pln_01920c5e-7000-7000-8000-000000000001';
const REPORT: PlanReport = {
  format: 'bascule-plan-report/1',
  plan: PLAN,
  kind: 'rolling',
  startedAtMs: 1,
  endedAtMs: 2,
  by: 'Ada',
  before: [],
  after: [],
  withoutServiceMs: null,
  serviceAsked: null,
  sessions: { before: 0, ended: 0 },
  lagAtSwitch: null,
  clients: { total: 0, current: 0, pending: 0, absent: 0, failed: 0, other: 0 },
  testSession: { outcome: 'no-client', session: null },
  steps: [],
};

describe('what the site identity signs for an upgrade plan', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bascule-sign-'));
  after(() => rmSync(directory, { recursive: true, force: true }));

  it('is its own report, also one of a later version that says more', async () => {
    const statement = JSON.stringify({ ...REPORT, later: true });
    const { signature, certificate } = await signReport(directory, PLAN, statement);
    const { publicKey } = new X509Certificate(certificate);
    assert.ok(verify('sha256', Buffer.from(statement), publicKey, Buffer.from(signature, 'base64')));
  });

  it('is nothing else: no report of another plan, no other statement of a site', async () => {
    const refused = { code: 'PLAN_REPORT_INVALID' };
    await assert.rejects(signReport(directory, `${PLAN.slice(0, -1)}2`, JSON.stringify(REPORT)), refused);
    await assert.rejects(signReport(directory, PLAN, JSON.stringify({ format: 'bascule-epoch/1', plan: PLAN })), refused);
    await assert.rejects(signReport(directory, PLAN, 'bascule'), refused);
  });
});
