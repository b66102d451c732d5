import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import https from 'node:https';
import { describe, it } from 'node:test';
import { FrontBench } from '../../test/front-bench.ts';
import type { SiteSoftware } from './site-host.ts';

const FOREVER = new AbortController().signal;

/** Asks main for its PID and generation by the front door. */
function ask(bench: FrontBench): Promise<{ status: number; pid: number }> {
  return new Promise((resolve, reject) => {
    https
      .get({ port: bench.port, host: '127.0.0.1', path: '/x', rejectUnauthorized: false, agent: false }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            pid: response.statusCode === 200 ? (JSON.parse(text) as { pid: number }).pid : 0,
          }),
        );
      })
      .on('error', reject);
  });
}

/** Sends what may not be sent twice, and gives the status of its answer. */
function change(bench: FrontBench, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    https
      .request(
        { port: bench.port, host: '127.0.0.1', path, method: 'POST', rejectUnauthorized: false, agent: false },
        (response) => response.resume().on('end', () => resolve(response.statusCode ?? 0)),
      )
      .on('error', reject)
      .end();
  });
}

const next = (bench: FrontBench): SiteSoftware => ({ ...bench.host.software, version: '1' });
const generation = (bench: FrontBench): number => Number(readFileSync(bench.paths.site.generation, 'latin1'));

describe('a switch of the site', () => {
  it('puts a loaded version in the place of the running one, and answers every request meanwhile', async () => {
    await using bench = await new FrontBench().open();
    const { pid: before } = await ask(bench);
    const candidate = await bench.host.prepare(next(bench), FOREVER);
    assert.equal((await ask(bench)).pid, before);
    await bench.host.freeze(candidate);
    assert.equal(bench.host.ready, false);
    const held = [ask(bench), ask(bench), ask(bench)];
    await bench.host.activate(candidate, () => undefined);
    assert.ok(bench.host.route(candidate) < 10_000);
    for (const { status, pid } of await Promise.all(held)) assert.deepEqual([status, pid], [200, bench.host.main.state.pid]);
    assert.notEqual(bench.host.main.state.pid, before);
    assert.deepEqual([bench.host.software.version, generation(bench), bench.host.deaths], ['1', 2, 0]);
  });

  it('lets the running version answer what it took, also what may not be sent twice, before it is told to stop', async () => {
    await using bench = await new FrontBench().open();
    const { pid } = await ask(bench);
    const changed = change(bench, '/later');
    // Another one is answered after the first has arrived.
    await ask(bench);
    const candidate = await bench.host.prepare(next(bench), FOREVER);
    const frozen = bench.host.freeze(candidate);
    const held = ask(bench);
    process.kill(pid, 'SIGUSR2');
    assert.equal(await changed, 200);
    await frozen;
    await bench.host.activate(candidate, () => undefined);
    bench.host.route(candidate);
    assert.deepEqual(await held, { status: 200, pid: bench.host.main.state.pid });
  });

  it('starts the old version again when the new one dies while it takes over', async () => {
    await using bench = await new FrontBench().open();
    const candidate = await bench.host.prepare(next(bench), FOREVER);
    await bench.host.freeze(candidate);
    const held = ask(bench);
    // Nobody is in force: the programs that are named are the candidate's.
    for (const { pid } of bench.host.processes()) process.kill(pid, 'SIGKILL');
    await assert.rejects(
      bench.host.activate(candidate, () => undefined),
      { code: 'SITE_CANDIDATE_FAILED' },
    );
    await bench.host.restore({ ...bench.host.software, version: '0' });
    assert.equal(await bench.host.whenReady(20_000), 'ready');
    assert.deepEqual([(await held).status, bench.host.software.version], [200, '0']);
    assert.equal(readdirSync(bench.paths.site.run, { withFileTypes: true }).filter((entry) => entry.isDirectory()).length, 1);
  });

  it('leaves the running version alone when the new one cannot be loaded, is given up, or is not wanted', async () => {
    await using bench = await new FrontBench().open();
    const { pid } = bench.host.main.state;
    const broken = { ...next(bench), programs: { ...bench.host.software.programs, main: '/nowhere/main.ts' } };
    await assert.rejects(bench.host.prepare(broken, FOREVER), { code: 'SITE_CANDIDATE_FAILED' });
    await assert.rejects(bench.host.prepare(next(bench), AbortSignal.abort(new Error('cancelled'))), /cancelled/);
    const candidate = await bench.host.prepare(next(bench), FOREVER);
    await bench.host.discard(candidate);
    await assert.rejects(
      bench.host.activate(candidate, () => undefined),
      { code: 'SITE_CANDIDATE_FAILED' },
    );
    assert.deepEqual([(await ask(bench)).pid, bench.host.deaths], [pid, 0]);
  });

  it('takes over with the programs that a base loaded before it was activated', async () => {
    await using bench = new FrontBench();
    assert.equal(await bench.host.warmUp(), true);
    await bench.open();
    assert.deepEqual([bench.host.state, bench.host.main.state.restarts, (await ask(bench)).status], ['ready', 0, 200]);
  });
});
