/** Two appliances as processes: established over their pages, the follower killed in the middle, swapped both ways, and both databases alike in the end (I4, I5). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import { failoverState, type FailoverState } from '@bascule/protocol/api/failover.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { SiteStage } from '../life/testing.ts';
import { openSiteStore } from '../site-store.ts';

const KEY = 'a key between two appliances';

async function stageOf(name: string): Promise<{ stage: SiteStage; endpoint: { host: string; port: number } }> {
  const stage = new SiteStage(name);
  const { hostname: host, port } = new URL(await stage.listen());
  await stage.takeOver((await stage.serve())!);
  assert.equal((await stage.http('PUT', '/api/security/pre-shared-key', { key: KEY })).status, 200);
  return { stage, endpoint: { host, port: Number(port) } };
}

async function stateOf(stage: SiteStage): Promise<FailoverState> {
  const { status, json } = await stage.http('GET', '/api/failover');
  assert.equal(status, 200, JSON.stringify(json));
  return failoverState.parse(json);
}

async function become(stage: SiteStage, action: string, body: object = {}): Promise<void> {
  const { status, json } = await stage.http('POST', `/api/failover/${action}`, body);
  assert.equal(status, 200, JSON.stringify(json));
}

async function addGroup(stage: SiteStage, name: string): Promise<void> {
  const { status, json } = await stage.http('POST', '/api/jump/groups', { name });
  assert.equal(status, 200, JSON.stringify(json));
}

async function whenCopied(primary: SiteStage): Promise<void> {
  await waitUntil('the backup has everything', async () => {
    const { copy } = await stateOf(primary);
    return copy?.state === 'following' && copy.lagChanges === 0;
  });
}

function hashes(stage: SiteStage): Record<string, string> {
  using store = openSiteStore({ path: stage.paths.database, appliance: '', follower: true, log: createLog('test', 'silent') });
  return Object.fromEntries(store.replicatedTables().map((table) => [table, store.contentHash(table)]));
}

test(
  'two appliances: established, followed, the follower killed, swapped both ways; nobody logs in again',
  { timeout: 120_000 },
  async (t) => {
    const [alpha, beta] = await Promise.all([stageOf('alpha'), stageOf('beta')]);
    t.after(() => Promise.all([alpha.stage.close(), beta.stage.close()]));
    const request = { backup: beta.endpoint, primary: alpha.endpoint, withCertificate: false, mode: 'async' };
    await become(alpha.stage, 'establish', request);
    await whenCopied(alpha.stage);

    // The backup logs people in by the primary's accounts, and changes nothing.
    await waitUntil('the accounts of the primary are there', async () => {
      beta.stage.cookie = '';
      const { status, json } = await beta.stage.http('POST', '/api/auth/login', {
        name: 'admin',
        password: 'a long enough password for tests',
      });
      beta.stage.csrf = String(json['csrf']);
      return status === 200;
    });
    assert.equal((await stateOf(beta.stage)).self.role, 'backup');
    const refused = await beta.stage.http('POST', '/api/jump/groups', { name: 'not here' });
    assert.deepEqual([refused.status, (refused.json['error'] as { code: string }).code], [409, 'FAILOVER_READ_ONLY']);

    await beta.stage.kill();
    for (let number = 0; number < 20; number += 1) await addGroup(alpha.stage, `while it is away ${number}`);
    await beta.stage.serve();
    await whenCopied(alpha.stage);

    for (const [next, before] of [
      [beta.stage, alpha.stage],
      [alpha.stage, beta.stage],
    ] as const) {
      const startedMs = performance.now();
      await become(next, 'become-primary', { pullFirst: true });
      await waitUntil('it is the primary', async () => (await stateOf(next)).self.role === 'primary');
      t.diagnostic(`swapped within ${Math.round(performance.now() - startedMs)} ms, as its page sees it`);
      assert.equal((await next.http('GET', '/api/auth/me')).status, 200, 'still logged in');
      await addGroup(next, `after the swap to ${next.start.applianceName}`);
      await waitUntil('the other is the backup', async () => (await stateOf(before)).self.role === 'backup');
      await whenCopied(next);
    }
    await Promise.all([alpha.stage.kill(), beta.stage.kill()]);
    assert.deepEqual(hashes(beta.stage), hashes(alpha.stage));
  },
);
