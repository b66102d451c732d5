/** What boot does with the seed of the operating system's package (docs/spec/boot.md, 7); what the seed's own program does: test/install. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { BootBench, isRoot } from '../test/boot-harness.ts';

describe('boot with --seed', () => {
  it('makes the software of a home that has none, as base’s user, and starts it; the next start leaves it alone', async () => {
    using bench = new BootBench();
    const seed = bench.addSeed();
    const boot = bench.start({ seed: true });
    const { main } = await boot.ask();
    const software = join(bench.home(), 'software');
    assert.equal(main, join(software, 'base', '1.0.0-seeded', 'apps', 'base', 'src', 'main.ts'));
    const user = Number(readFileSync(join(software, 'base', '1.0.0-seeded', 'uid'), 'utf8'));
    assert.equal(user === 0, false);
    if (isRoot) assert.deepEqual([statSync(software).uid, statSync(join(software, 'site')).uid], [0, user]);
    boot.child.kill('SIGTERM');
    assert.equal(await boot.exitCode(), 0);
    rmSync(join(seed, 'program'), { recursive: true });
    assert.equal((await bench.start({ seed: true }).ask()).main, main);
  });

  for (const [mode, sentence] of [
    ['seed-fails', 'The packages are not signed.'],
    ['seed-dies', 'The software could not be made of the package; the log of the appliance says why.'],
  ] as const)
    it(`ends with one sentence when its program does (${mode}), and goes on at the next start`, async () => {
      using bench = new BootBench();
      bench.addSeed();
      const boot = bench.start({ seed: true, mode });
      assert.equal(await boot.exitCode(), 1);
      assert.equal(boot.errors, `bascule: ${sentence}\n`);
      assert.equal(existsSync(join(bench.home(), 'run', 'boot.json')), false);
      await bench.start({ seed: true }).ask();
    });

  it('is refused without a program, and leaves a pointer that leads nowhere to a person', async () => {
    using bench = new BootBench();
    const missing = bench.start({ seed: true });
    assert.equal(await missing.exitCode(), 1);
    assert.match(missing.errors, /seed holds no software: install the package bascule-appliance again\.\n$/);
    bench.addSeed();
    const base = join(bench.home(), 'software', 'base');
    mkdirSync(base, { recursive: true });
    symlinkSync('2.0.0-gone', join(base, 'current'));
    const broken = bench.start({ seed: true });
    assert.equal(await broken.exitCode(), 1);
    assert.match(broken.errors, /current names no version of base; bring .* back from a copy/);
    assert.equal(existsSync(join(base, '1.0.0-seeded')), false);
  });
});
