import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { PlanReport } from '@bascule/protocol/api/plans.ts';
import { SiteIdentity } from '../../apps/site/src/jump/site-identity.ts';

const VERIFY = join(import.meta.dirname, 'verify.mjs');
const SIDE = {
  appliance: 'alpha',
  role: 'single' as const,
  base: '0.1.0',
  site: '0.1.0',
  targetBase: '0.2.0',
  targetSite: '0.2.0',
};
const REPORT: PlanReport = {
  format: 'bascule-plan-report/1',
  plan: 'pln_01920c5e-7000-7000-8000-000000000001',
  kind: 'single',
  startedAtMs: 1_700_000_000_000,
  endedAtMs: 1_700_000_600_000,
  by: 'Ada',
  before: [SIDE],
  after: [{ ...SIDE, base: '0.2.0', site: '0.2.0' }],
  withoutServiceMs: 740,
  serviceAsked: { url: 'https://support.example/login', answeredBy: ['192.0.2.10'], notAskedMs: 900 },
  sessions: { before: 3, ended: 0 },
  lagAtSwitch: null,
  clients: { total: 5, current: 4, pending: 1, absent: 1, failed: 0, other: 0 },
  testSession: { outcome: 'passed', session: null },
  steps: [{ number: 1, kind: 'backup', on: 'alpha', state: 'done', seconds: 2 }],
};

describe('the report of an upgrade plan', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bascule-plan-report-'));
  let identity: SiteIdentity;
  before(async () => {
    identity = await SiteIdentity.open({ keysDir: directory });
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  function verify(
    report: unknown,
    edit: (file: string) => string = (file) => file,
    ...more: string[]
  ): { code: number | null; said: string } {
    const statement = JSON.stringify(report);
    const signature = Buffer.from(identity.sign(Buffer.from(statement))).toString('base64');
    const file = join(directory, 'report.json');
    writeFileSync(file, edit(`${JSON.stringify({ statement, signature, certificate: identity.certificatePem })}\n`));
    const { status, stdout, stderr } = spawnSync(process.execPath, [VERIFY, 'plan-report', file, ...more], { encoding: 'utf8' });
    return { code: status, said: stdout + stderr };
  }

  it('is signed, and says what was before and after', () => {
    const { code, said } = verify(REPORT);
    assert.equal(code, 0, said);
    assert.match(said, /: signed\n/);
    assert.match(
      said,
      /740 ms without, of https:\/\/support\.example\/login, where 192\.0\.2\.10 answered; for 900 ms nobody asked/,
    );
    assert.match(said, /0 of 3 ended; test session: passed/);
    assert.match(said, /with base 0\.1\.0, site 0\.1\.0; afterwards single with base 0\.2\.0/);
    assert.match(said, /as the file itself says: compare it with the site/);
    writeFileSync(join(directory, 'site.pem'), identity.certificatePem);
    assert.match(verify(REPORT, undefined, '--identity', join(directory, 'site.pem')).said, /as given/);
  });

  it('is broken when a figure was altered, when another identity signed it, and when it is another statement of the identity', async () => {
    const altered = verify(REPORT, (file) => file.replace('\\"ended\\":0', '\\"ended\\":1'));
    assert.deepEqual([altered.code, /BROKEN at its signature/.test(altered.said)], [1, true]);
    const other = await SiteIdentity.open({ keysDir: mkdtempSync(join(directory, 'other-')) });
    writeFileSync(join(directory, 'other.pem'), other.certificatePem);
    assert.equal(verify(REPORT, undefined, '--identity', join(directory, 'other.pem')).code, 1);
    const head = verify({ format: 'bascule-head/1' });
    assert.deepEqual([head.code, /its format is not/.test(head.said)], [1, true]);
  });
});
