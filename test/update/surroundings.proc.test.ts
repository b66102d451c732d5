/**
 * I3 when what is around the appliance fails in the middle of an installation: the network is cut, the clock is set, the disk is full, the disk dies as in a
 * power cut. Real ones, but for the clock, which is moved for the programs of the appliance alone.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { CuttingProxy } from '@bascule/testkit/cutting-proxy.ts';
import { FaultScene, type Operation } from '@bascule/testkit/fault-scene.ts';
import { FaultyDisk, whyNoFaultyDisk } from '@bascule/testkit/faulty-disk.ts';
import type { LaunchOptions } from '@bascule/testkit/launch-appliance.ts';
import { MovedClock } from '@bascule/testkit/moved-clock.ts';
import { SeededRandom } from '@bascule/testkit/seeded-random.ts';
import { LaunchedUpdateServer, ReleaseShop } from '@bascule/testkit/upgrade-scene.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';

const isAll = process.env['BASCULE_FAULTS'] === 'all';
const FULL_DISKS = ['stage/before', 'snapshot/before', 'migrate/before', 'switch/before', 'commit/before'];
const WATCH_SECONDS = 1;
/** More than a trial of base and a watch may take, less than a login lasts without being used. */
const JUMP_MS = 12 * 60_000;
const DISK_MEGABYTES = 900;
/** How long a full disk stays full. */
const FULL_MS = 2_000;
const DOWNLOAD_BYTES_PER_SECOND = 500_000;
const INSTALL_SITE: Operation = { kind: 'site', does: 'install' };
const INSTALL_BASE: Operation = { kind: 'base', does: 'install' };
const POWER_CUTS = [
  ['site', 'stage/after'],
  ['site', 'migrate/after'],
  ['site', 'switch/after'],
  ['site', 'commit/before'],
  ['base', 'stage/after'],
  ['base', 'switch/before'],
  ['base', 'watch/after'],
  ['base', 'commit/after'],
] as const;
const noDisk = whyNoFaultyDisk() ?? false;
const random = new SeededRandom();

/** Half of them, by the seed, in `npm test`. */
function powerCuts(): (typeof POWER_CUTS)[number][] {
  if (isAll) return [...POWER_CUTS];
  process.stdout.write(`power cuts: BASCULE_SEED=${random.seed}\n`);
  const isOdd = random.below(2) === 1;
  return POWER_CUTS.filter((_, index) => (index % 2 === 1) === isOdd);
}

describe('what is around the appliance fails during an installation', { concurrency: false }, () => {
  let shop: ReleaseShop;
  let server: LaunchedUpdateServer;

  before(async () => {
    shop = await ReleaseShop.open();
    server = await LaunchedUpdateServer.start(shop);
  });
  after(async () => {
    await server?.[Symbol.asyncDispose]();
    shop?.[Symbol.dispose]();
  });

  /** An appliance of its own; at the end nothing of its session is lost. */
  async function within(
    from: { url: string },
    options: LaunchOptions,
    work: (scene: FaultScene) => Promise<void>,
  ): Promise<void> {
    const scene = await FaultScene.start(from, WATCH_SECONDS, options);
    try {
      await work(scene);
      const { isLost, bytesLost, isRecordingWhole } = await scene.session.finish();
      assert.deepEqual({ isLost, bytesLost, isRecordingWhole }, { isLost: false, bytesLost: 0, isRecordingWhole: true });
    } catch (error) {
      scene.scene.appliance.fail(error);
    } finally {
      await scene[Symbol.asyncDispose]();
    }
  }

  it('the network, in the middle of the download: it goes on where it was', async () => {
    await using proxy = await CuttingProxy.start(Number(new URL(server.url).port));
    await within({ url: server.url.replace(/:\d+/, `:${proxy.port}`) }, {}, async (scene) => {
      const { settings } = await scene.scene.state();
      await scene.scene.box.call('PUT', 'updates/settings', z.unknown(), {
        ...settings,
        downloadLimitBytesPerSecond: DOWNLOAD_BYTES_PER_SECOND,
      });
      const id = await scene.begin(INSTALL_SITE);
      const cutAtBytes = await waitUntil('half of it is here', async () => {
        const progress = (await scene.scene.state()).running?.steps.find(({ step }) => step === 'download')?.progress;
        return progress?.total != null && progress.done > progress.total * 0.3 && progress.done;
      });
      proxy.cut();
      const nextBytes = await waitUntil('it goes on', async () => {
        const download = (await scene.scene.state()).running?.steps.find(({ step }) => step === 'download');
        return download?.progress != null && download.progress.done !== cutAtBytes && download.progress.done;
      });
      assert.ok(nextBytes >= cutAtBytes, `${nextBytes} bytes after ${cutAtBytes}: it began again`);
      const { ended } = await scene.afterwards(INSTALL_SITE, id);
      assert.equal(ended?.outcome, 'installed', JSON.stringify(ended?.cause));
    });
  });

  it('the clock is set forward and back: the watch is neither cut short nor endless', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'bascule-clock-'));
    chmodSync(directory, 0o755);
    try {
      const clock = new MovedClock(directory);
      await within(server, { environment: clock.environment }, async (scene) => {
        const cases = [
          { operation: INSTALL_SITE, point: 'freeze/before', ms: JUMP_MS },
          { operation: { kind: 'site', does: 'roll-back' }, point: 'watch/before', ms: 0 },
          { operation: INSTALL_BASE, point: 'drain/before', ms: -JUMP_MS },
          // The deadline of the trial is past then: either is right, as long as it is whole.
          { operation: { kind: 'base', does: 'roll-back' }, point: 'drain/after', ms: 0 },
        ] as const;
        for (const { operation, point, ms } of cases) {
          await scene.change();
          scene.faults.armWait(point);
          const id = await scene.begin(operation);
          await scene.faults.untilFired();
          clock.move(ms);
          scene.faults.goOn();
          const { ended } = await scene.afterwards(operation, id);
          assert.ok(ended !== undefined && (ended.outcome === 'installed' || operation.kind === 'base'), JSON.stringify(ended));
        }
      });
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it('the disk is full, for real: the reserve keeps the journal going', { skip: noDisk }, async () => {
    await onDisk(async (disk, options) => {
      await within(server, options, async (scene) => {
        for (const point of isAll ? FULL_DISKS : FULL_DISKS.filter((_, index) => index % 2 === 0)) {
          const operation = (await scene.possible()).find(({ kind }) => kind === 'site') as Operation;
          if (operation.does === 'roll-back') await scene.plainly(operation);
          await scene.change();
          scene.faults.armWait(point);
          const id = await scene.begin(INSTALL_SITE);
          await scene.faults.untilFired();
          disk.fill();
          scene.faults.goOn();
          await delay(FULL_MS);
          disk.free();
          const { ended, state } = await scene.afterwards(INSTALL_SITE, id);
          // At `migrate` it is the new site that finds the disk full, and says so in its own words.
          assert.ok(
            ended?.outcome === 'installed' ||
              (ended?.outcome === 'rolled-back' && /disk/i.test(ended.cause?.message ?? '')) ||
              ended?.cause?.code === 'INSTALLATION_INTERRUPTED',
            `${point}: ${JSON.stringify(ended?.cause)}`,
          );
          if (state.rolledBack !== null) await scene.scene.box.send('POST', 'updates/acknowledge', { id: state.rolledBack.id });
        }
      });
    });
  });

  it('the disk dies, and what was not synced with it: as a power cut', { skip: noDisk }, async () => {
    await onDisk(async (disk, options) => {
      await within(server, options, async (scene) => {
        const { appliance } = scene.scene;
        for (const [kind, point] of powerCuts()) {
          const operation = (await scene.possible()).find((one) => one.kind === kind) as Operation;
          if (operation.does === 'roll-back') await scene.plainly(operation);
          await scene.change();
          scene.faults.armWait(point);
          const id = await scene.begin({ kind, does: 'install' });
          await scene.faults.untilFired();
          appliance.keepBootRunning(false);
          disk.die();
          await scene.killPrograms();
          await disk.unmount();
          disk.mount();
          appliance.keepBootRunning();
          appliance.startBoot();
          await scene.afterwards({ kind, does: 'install' }, id);
        }
      });
    });
  });

  async function onDisk(work: (disk: FaultyDisk, options: LaunchOptions) => Promise<void>): Promise<void> {
    const directory = mkdtempSync(join(tmpdir(), 'bascule-disk-'));
    mkdirSync(directory, { recursive: true });
    chmodSync(directory, 0o755);
    try {
      await using disk = new FaultyDisk(join(directory, 'home'), DISK_MEGABYTES);
      chmodSync(disk.directory, 0o755);
      await work(disk, { directory, clientsApart: true });
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }
});
