import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { homePaths } from '@bascule/core/home.ts';
import { createLog } from '@bascule/log/log.ts';
import type { ProcessState } from '@bascule/protocol/appliance-control.ts';
import { readFaultPoint } from './fault-points.ts';
import { Slots } from './slots.ts';
import { freeReserve, makeReserve, RESERVE_BYTES } from './slots-durable.ts';
import { World } from './testing.ts';

describe('slots', () => {
  it('are named after version and hash, hold the links of a version, and are whole or not there', async () => {
    await using world = await World.open();
    const manifest = world.manifest('site', '0.2.0');
    const request = {
      kind: 'site' as const,
      manifest,
      sha256: 'ab'.repeat(32),
      archive: world.fileOf('site/bascule-site-0.2.0.tar.zst'),
      runtimeArchive: undefined,
      signal: new AbortController().signal,
      onProgress: () => undefined,
    };
    const folder = await world.slots.stage(request);
    assert.equal(folder, '0.2.0-abababababab');
    const slot = world.slots.read('site', folder)!;
    assert.ok(existsSync(join(slot.runtimeDir, 'bin', 'node')));
    assert.equal(readFileSync(join(slot.directory, 'node_modules/@bascule/core/home.ts'), 'utf8'), '// 0.2.0');
    // Not in use, so it may be damaged: made anew.
    writeFileSync(join(slot.directory, 'node_modules/@bascule/core/home.ts'), 'damaged');
    assert.equal(await world.slots.stage(request), folder);
    assert.equal(readFileSync(join(slot.directory, 'node_modules/@bascule/core/home.ts'), 'utf8'), '// 0.2.0');
    rmSync(join(slot.directory, 'bascule-package.json'));
    assert.equal(world.slots.read('site', folder), undefined);
    assert.equal(await world.slots.stage(request), folder);
    assert.equal(world.slots.read('site', folder)?.manifest.version, '0.2.0');
  });

  it('start the version before when the folder of the current one is damaged', async () => {
    await using world = await World.open();
    world.slots.point('site', 'previous', '0.1.0-aaaaaaaaaaaa');
    world.slots.point('site', 'current', '0.9.0-bbbbbbbbbbbb');
    assert.equal(world.slots.siteSoftware()?.version, '0.1.0');
  });

  it('read a staged checkout, which has no manifest of its own', async () => {
    await using world = await World.open();
    const directory = join(world.paths.siteSoftware, '0.3.0-cccccccccccc');
    mkdirSync(directory);
    writeFileSync(join(directory, 'package.json'), '{"version":"0.3.0"}');
    const { version, revision } = world.slots.read('site', '0.3.0-cccccccccccc')!.manifest;
    assert.deepEqual([version, revision], ['0.3.0', 'cccccccccccc']);
    assert.equal(world.slots.holds('site', directory), true);
    assert.equal(world.slots.holds('base', directory), false);
  });

  it('keep a base that the site before needs, while the one in use does not do', async () => {
    await using world = await World.open();
    const stage = (kind: 'base' | 'site', version: string, requires: object = {}): void => {
      const directory = join(world.directory, 'software', kind, `${version}-dddddddddddd`);
      mkdirSync(directory);
      writeFileSync(join(directory, 'bascule-package.json'), JSON.stringify(world.manifest(kind, version, { requires })));
    };
    for (const version of ['0.2.0', '0.3.0', '0.4.0', '0.5.0']) stage('base', version);
    stage('site', '0.2.0', { base: '<0.3.0' });
    world.slots.point('site', 'previous', '0.2.0-dddddddddddd');
    world.slots.point('base', 'current', '0.5.0-dddddddddddd');
    assert.deepEqual(world.slots.removeOld(1, { base: '0.5.0-dddddddddddd' }), [
      'base 0.1.0-aaaaaaaaaaaa',
      'base 0.3.0-dddddddddddd',
      'base 0.4.0-dddddddddddd',
    ]);
  });

  it('write a trial that boot can read, and nothing else is one', () => {
    const home = mkdtempSync(join(tmpdir(), 'bascule-slots-'));
    try {
      const paths = homePaths(home);
      mkdirSync(paths.baseSoftware, { recursive: true });
      const slots = new Slots(paths);
      const trial = { folder: '0.2.0-aaaaaaaaaaaa', maxTries: 3, tries: 0, deadlineMs: 5 };
      slots.writeTrial(trial);
      assert.deepEqual(slots.trial(), trial);
      writeFileSync(paths.baseTrial, '{');
      assert.equal(slots.trial(), undefined);
      slots.removeTrial();
      slots.removeTrial();
      assert.equal(existsSync(paths.baseTrial), false);
    } finally {
      rmSync(home, { recursive: true });
    }
  });

  it('hold a reserve that takes room, once', () => {
    const home = mkdtempSync(join(tmpdir(), 'bascule-slots-'));
    try {
      const file = join(home, 'reserve');
      assert.equal(makeReserve(file), true);
      assert.deepEqual([statSync(file).size, statSync(file).blocks * 512 >= RESERVE_BYTES], [RESERVE_BYTES, true]);
      assert.deepEqual([freeReserve(file), freeReserve(file)], [true, false]);
      assert.equal(makeReserve(join(home, 'nowhere', 'reserve')), false);
    } finally {
      rmSync(home, { recursive: true });
    }
  });
});

describe('a fault point', () => {
  const point = (home: string, fault: string | undefined, processes: ProcessState[] = []) =>
    readFaultPoint({ fault, paths: homePaths(home), processes: () => processes, log: createLog('test', 'silent') });

  it('fires once for a data directory, at its place alone, and is nothing without the variable', async () => {
    const home = mkdtempSync(join(tmpdir(), 'bascule-fault-'));
    try {
      mkdirSync(join(home, 'run', 'control'), { recursive: true });
      assert.equal(point(home, undefined), undefined);
      const fault = point(home, 'switch/before:throw')!;
      await fault('switch', 'after');
      await fault('freeze', 'before');
      await assert.rejects(fault('switch', 'before'), /a fault point threw/);
      await fault('switch', 'before');
      await point(home, 'switch/before:throw')!('switch', 'before');
    } finally {
      rmSync(home, { recursive: true });
    }
  });

  it('that names no point keeps base from starting', () => {
    for (const fault of ['swich/before:throw', 'switch/during:throw', 'switch/before:explode', 'x'])
      assert.throws(() => point('/', fault), { code: 'FAULT_INVALID' }, fault);
  });
});
