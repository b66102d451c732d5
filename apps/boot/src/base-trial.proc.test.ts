import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { BootBench, exchange, type Boot } from '../test/boot-harness.ts';

const OLD = '0.1.0-aaaaaaaaaaaa';
const NEW = '0.2.0-bbbbbbbbbbbb';

/** A boot on the version OLD, with NEW beside it, which behaves as `mode` says. */
async function bench(mode = ''): Promise<{ bench: BootBench; boot: Boot } & Disposable> {
  const made = new BootBench();
  made.addVersion(OLD);
  made.addVersion(NEW, mode);
  made.point(OLD);
  const boot = made.start({ software: true });
  await boot.started();
  return { bench: made, boot, [Symbol.dispose]: () => made[Symbol.dispose]() };
}

/** The version that answers. */
async function version(boot: Boot): Promise<string> {
  const { main } = await boot.ask();
  return main.split('/').at(-5) ?? '';
}

const tries = (made: BootBench): number => (JSON.parse(readFileSync(made.trialFile, 'utf8')) as { tries: number }).tries;

describe('boot with --software', { concurrency: false }, () => {
  it('starts what the pointer names, with the runtime of that version', async () => {
    using made = new BootBench();
    made.addVersion(OLD, '', { runtime: true });
    made.point(OLD);
    const boot = made.start({ software: true });
    const { main, node } = await boot.ask();
    assert.equal(main, join(made.software, 'base', OLD, 'apps', 'base', 'src', 'main.ts'));
    assert.equal(node, join(made.software, 'base', OLD, 'runtime', 'bin', 'node'));
  });

  it('refuses a pointer that names nothing, or leads out of the folder', async () => {
    for (const target of ['0.9.9', '../elsewhere', '..', '/tmp']) {
      using made = new BootBench();
      made.addVersion(OLD);
      symlinkSync(target, join(made.software, 'base', 'current'));
      const boot = made.start({ software: true });
      assert.equal(await boot.exitCode(), 1);
      assert.match(boot.errors, /^bascule: .*current names no version of base; .*\n$/);
      assert.equal(existsSync(join(made.home(), 'run', 'boot.json')), false);
    }
  });

  it('replaces base by a prepared version without refusing or failing a connection', async () => {
    using both = await bench();
    const { port } = both.boot.state();
    both.bench.putOnTrial({ folder: NEW });
    let isOver = false;
    const failures: unknown[] = [];
    const poller = (async () => {
      while (!isOver) await exchange(port, 'who').catch((error: unknown) => failures.push(error));
    })();
    const before = await both.boot.ask('try-base');
    await both.boot.logged(/"event":"candidate.prepared"/);
    while ((await version(both.boot)) !== NEW);
    isOver = true;
    await poller;
    const after = await both.boot.ask();
    assert.deepEqual(failures, []);
    assert.deepEqual(
      after.heard.map(({ kind }) => kind),
      ['activate'],
    );
    assert.notEqual(after.pid, before.pid);
    assert.equal(both.boot.state().base?.pid, after.pid);
    assert.equal(tries(both.bench), 1);
    // The commit; and what dies then is started again without being counted.
    both.bench.point(NEW);
    rmSync(both.bench.trialFile);
    process.kill(after.pid, 'SIGKILL');
    await both.boot.logged(/"event":"base.waiting"/);
    while ((await both.boot.ask().catch(() => after)).pid === after.pid);
    assert.equal(await version(both.boot), NEW);
    assert.equal(existsSync(both.bench.trialFile), false);
  });

  for (const [name, mode, sentence] of [
    ['fails', 'fails', /newer version/],
    ['dies', 'crashes', /ended before it was prepared/],
  ] as const)
    it(`leaves base alone when the candidate ${name} before it is prepared, and says why`, async () => {
      using both = await bench(mode);
      const before = await both.boot.ask();
      both.bench.putOnTrial({ folder: NEW });
      await both.boot.ask('try-base');
      await both.boot.logged(/"event":"trial.failed"/);
      let heard: { kind: string; message?: string }[] = [];
      while (heard.length === 0) ({ heard } = await both.boot.ask());
      const after = await both.boot.ask();
      assert.equal(after.pid, before.pid);
      assert.equal(heard[0]?.kind, 'candidate-failed');
      assert.match(heard[0]?.message ?? '', sentence);
      assert.equal(existsSync(both.bench.trialFile), false);
    });

  it('says at once that there is nothing to try', async () => {
    using both = await bench();
    await both.boot.ask('try-base');
    let heard: { kind: string; message?: string }[] = [];
    while (heard.length === 0) ({ heard } = await both.boot.ask());
    assert.deepEqual(heard, [{ kind: 'candidate-failed', message: 'There is no version of base on trial.' }]);
  });

  it('gives a version that dies after it took over its tries, each counted before, and then goes back', async () => {
    using both = await bench('crashes-later');
    both.bench.putOnTrial({ folder: NEW });
    await both.boot.ask('try-base');
    await both.boot.logged(/"event":"trial.failed"/);
    assert.equal(await version(both.boot), OLD);
    assert.equal(existsSync(both.bench.trialFile), false);
    const log = readFileSync(join(both.bench.home(), 'log', 'appliance.log'), 'utf8');
    assert.deepEqual(
      Array.from(log.matchAll(/"tries":(\d)/g), (match) => match[1]),
      ['1', '2', '3'],
    );
  });

  it('goes back at the deadline, though the version runs', async () => {
    using both = await bench();
    both.bench.putOnTrial({ folder: NEW, deadlineMs: Date.now() + 2_500 });
    await both.boot.ask('try-base');
    while ((await version(both.boot)) !== NEW);
    await both.boot.logged(/"event":"trial.failed"/);
    while ((await both.boot.ask().catch(() => ({ main: NEW }))).main.includes(NEW));
    assert.equal(existsSync(both.bench.trialFile), false);
  });

  it('goes on with the trial when it was killed itself', async () => {
    using both = await bench();
    both.bench.putOnTrial({ folder: NEW });
    await both.boot.ask('try-base');
    while ((await version(both.boot)) !== NEW);
    const { port } = both.boot.state();
    both.boot.child.kill('SIGKILL');
    await once(both.boot.child, 'exit');
    const next = both.bench.start({ software: true, port });
    assert.equal(await version(next), NEW);
    assert.equal(tries(both.bench), 2);
  });

  it('ends the attempt when base dies while the other is prepared', async () => {
    using both = await bench('prepares-not');
    both.bench.putOnTrial({ folder: NEW });
    const { pid } = await both.boot.ask('try-base');
    await both.boot.logged(/"event":"candidate.started"/);
    assert.ok(both.boot.state().candidate);
    process.kill(pid, 'SIGKILL');
    await both.boot.logged(/"event":"trial.failed"/);
    while ((await both.boot.ask().catch(() => ({ pid }))).pid === pid);
    assert.equal(await version(both.boot), OLD);
    assert.equal(existsSync(both.bench.trialFile), false);
  });

  it('names and removes a trial.json that is damaged, too large, a link, or leads elsewhere', async () => {
    const damages: ((file: string) => void)[] = [
      (file) => writeFileSync(file, '{"folder":'),
      (file) => writeFileSync(file, JSON.stringify({ folder: '../x', maxTries: 3, tries: 0, deadlineMs: 9e12 })),
      (file) => writeFileSync(file, ' '.repeat(5000)),
      (file) => symlinkSync('/etc/hostname', file),
      (file) => mkdirSync(file),
    ];
    for (const [index, damage] of damages.entries()) {
      using made = new BootBench();
      made.addVersion(OLD);
      made.point(OLD);
      damage(made.trialFile);
      const boot = made.start({ software: true });
      assert.equal(await version(boot), OLD);
      await boot.logged(/"event":"trial.damaged"/);
      if (index < damages.length - 1) assert.equal(existsSync(made.trialFile), false, `damage ${index}`);
      assert.equal(readFileSync('/etc/hostname', 'utf8').length > 0, true);
    }
  });

  it('starts what was committed when it was killed between the two halves of the commit', async () => {
    using made = new BootBench();
    made.addVersion(OLD);
    made.addVersion(NEW);
    made.point(NEW);
    made.putOnTrial({ folder: NEW, tries: 3 });
    const boot = made.start({ software: true });
    assert.equal(await version(boot), NEW);
    assert.equal(existsSync(made.trialFile), false);
  });
});
