import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { identifyProcess, isRunning } from '@bascule/core/process-identity.ts';
import { FrontBench } from '../../test/front-bench.ts';

describe('the site under its supervisor', () => {
  it('starts both programs under one new writer generation, and gives the first password once', async () => {
    await using bench = await new FrontBench().open();
    assert.equal(bench.host.state, 'ready');
    assert.equal(Number(readFileSync(bench.paths.site.generation, 'latin1')), 1);
    assert.equal(bench.host.takeFirstPassword(), 'first-of-login');
    assert.equal(bench.host.takeFirstPassword(), undefined);
    assert.deepEqual(
      bench.host.processes().map(({ name, state, restarts }) => ({ name, state, restarts })),
      [
        { name: 'site', state: 'ready', restarts: 0 },
        { name: 'relay', state: 'ready', restarts: 0 },
      ],
    );
  });

  it('restarts each alone, without a new generation', async () => {
    await using bench = await new FrontBench().open();
    const [main, relay] = bench.host.processes();
    process.kill(relay!.pid, 'SIGKILL');
    await once(bench.host.relay, 'change');
    assert.equal(bench.host.state, 'restarting');
    assert.equal(await bench.host.whenReady(10_000), 'ready');
    const [mainNow, relayNow] = bench.host.processes();
    assert.equal(mainNow!.pid, main!.pid);
    assert.notEqual(relayNow!.pid, relay!.pid);
    assert.equal(relayNow!.restarts, 1);
    assert.equal(Number(readFileSync(bench.paths.site.generation, 'latin1')), 1);
  });

  it('kills and restarts a program that does not answer', async () => {
    await using bench = await new FrontBench({ healthIntervalMs: 20, healthSilenceLimitMs: 300 }).open();
    const { pid } = bench.host.main.state;
    process.kill(pid, 'SIGSTOP');
    await once(bench.host.main, 'change');
    assert.equal(await bench.host.whenReady(10_000), 'ready');
    assert.notEqual(bench.host.main.state.pid, pid);
  });

  it('asks the site for passwords and tokens, and passes on its reason', async () => {
    await using bench = await new FrontBench().open();
    assert.equal(await bench.host.resetPassword('admin'), 'new-one');
    await assert.rejects(bench.host.resetPassword('nobody'), /There is no user 'nobody'/);
    await bench.host.resetSecondFactor('admin');
    await assert.rejects(bench.host.resetSecondFactor('nobody'), /There is no user 'nobody'/);
    assert.equal(await bench.host.localClientToken(), 'a-token');
    await bench.host.stop();
    await assert.rejects(bench.host.localClientToken(), { code: 'SITE_UNAVAILABLE' });
    assert.equal(bench.host.state, 'stopped');
  });

  it('ends programs that an earlier base left, before it starts its own', async () => {
    await using bench = new FrontBench();
    const leftover = spawn('sleep', ['1000']);
    await once(leftover, 'spawn');
    const identity = identifyProcess(leftover.pid!)!;
    const { noteSitePrograms } = await import('./site-leftovers.ts');
    noteSitePrograms(join(bench.paths.run, 'control', 'site-programs.json'), [identity]);
    await bench.open();
    assert.equal(isRunning(identity), false);
    assert.equal(bench.host.state, 'ready');
  });

  it('has programs that die with their base', async () => {
    // A base of its own process, killed: its children see their channel close.
    const script = `
      const { FrontBench } = await import(${JSON.stringify(join(import.meta.dirname, '../../test/front-bench.ts'))});
      const bench = await new FrontBench().open();
      console.log(JSON.stringify([bench.directory, bench.host.processes().map(({ pid }) => pid)]));`;
    const base = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(base.stdout.setEncoding('utf8'), 'data')) as [string];
    const [directory, pids] = JSON.parse(line) as [string, number[]];
    const programs = pids.map((pid) => identifyProcess(pid)!);
    base.kill('SIGKILL');
    await once(base, 'exit');
    while (programs.some(isRunning)) await new Promise((resolve) => setImmediate(resolve));
    const { rmSync } = await import('node:fs');
    rmSync(directory, { recursive: true });
  });
});
