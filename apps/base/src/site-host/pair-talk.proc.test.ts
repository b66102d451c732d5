import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { AppError } from '@bascule/errors/app-error.ts';
import { FrontBench } from '../../test/front-bench.ts';
import type { PairState } from './site-host.ts';

const said: PairState = {
  kind: 'pair-state',
  role: 'primary',
  history: 'one',
  epoch: 3,
  serves: true,
  leaseLeftMs: null,
  mode: 'async',
  peer: { name: 'b', state: 'reachable' },
  lagChanges: 0,
  lagSeconds: 0,
};

describe('base and main about the failover pair', () => {
  it('says what main says, and forgets it with main', async () => {
    await using bench = await new FrontBench().open();
    const { host } = bench;
    assert.equal(host.pairState, undefined);
    const heard = once(host, 'pairState');
    const done = await host.pairDo('pln_1', 2, { kind: 'sign', statement: JSON.stringify(said) });
    assert.deepEqual([done.outcome, done.result], ['done', { plan: 'pln_1', step: 2 }]);
    assert.deepEqual(await heard, [said]);
    assert.deepEqual(host.pairState, said);
    process.kill(host.main.state.pid, 'SIGKILL');
    while (host.pairState !== undefined) await once(host, 'change');
  });

  it('carries questions between the bases of a pair, and answers errors as such', async () => {
    await using bench = await new FrontBench().open();
    const { host } = bench;
    assert.equal((await host.askPeer({ kind: 'software' })).error?.code, 'PEER_BUSY');
    host.onPeerAsks(async (peer, question) => {
      await Promise.resolve();
      if (question.kind === 'software') throw new AppError('conflict', 'NOT_NOW', 'Not now.');
      if (question.kind === 'addresses') throw new Error('secret');
      return { ok: true, id: `${peer} ${question.kind}` };
    });
    assert.deepEqual(await host.askPeer({ kind: 'test-session' }), { ok: true, id: 'other test-session' });
    assert.deepEqual((await host.askPeer({ kind: 'software' })).error, { code: 'NOT_NOW', message: 'Not now.' });
    const { error } = await host.askPeer({ kind: 'addresses' });
    assert.deepEqual([error?.code, error?.message.includes('secret')], ['INTERNAL', false]);
    await host.stop();
    await assert.rejects(host.askPeer({ kind: 'software' }), { code: 'SITE_UNAVAILABLE' });
  });
});
