/** The demonstration, headless and asserted: base and site are upgraded, and rolled back, under sessions that type and a client that asks all the time. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { UpgradeRun, type UpgradeFigures } from '@bascule/testkit/upgrade-run.ts';
import { LaunchedUpdateServer, NEXT_VERSION, ReleaseShop, UpgradeScene } from '@bascule/testkit/upgrade-scene.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';

const WATCH_SECONDS = 2;

describe('an upgrade from an update server', { concurrency: false }, () => {
  let shop: ReleaseShop;
  let server: LaunchedUpdateServer;
  let scene: UpgradeScene;
  let run: UpgradeRun;

  before(async () => {
    shop = await ReleaseShop.open();
    server = await LaunchedUpdateServer.start(shop);
    scene = await UpgradeScene.start({ clients: 2 });
    const state = await scene.trust(server, WATCH_SECONDS);
    assert.deepEqual(
      state.offers.map(({ target }) => target).toSorted(),
      [scene.target('base'), scene.target('site')].toSorted(),
    );
    run = new UpgradeRun(scene, await Promise.all(scene.items.map((item) => scene.typing(item))));
  });
  after(async () => {
    await scene?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
    shop?.[Symbol.dispose]();
  });

  async function check(work: () => Promise<UpgradeFigures>, kind: 'base' | 'site', version: string): Promise<void> {
    try {
      const { installation, polled, longestGapMs, what } = await work();
      assert.equal(installation.outcome, 'installed', JSON.stringify(installation.cause));
      assert.deepEqual({ what, failed: polled.failed, failures: polled.failures }, { what, failed: 0, failures: [] });
      assert.ok(polled.requests > 50 && longestGapMs > 0);
      assert.equal(scene.installed(await scene.state(), kind), version);
    } catch (error) {
      scene.appliance.fail(error);
    }
  }

  it('of base: nothing is refused', async () => {
    await check(() => run.install(scene.target('base')), 'base', NEXT_VERSION);
  });

  it('of the site, with a migration: nothing is refused, and a session by the system works afterwards (B215)', async () => {
    await check(() => run.install(scene.target('site')), 'site', NEXT_VERSION);
    const lines = await waitUntil('everything of the verification list was looked at', async () => {
      const found = (await scene.state()).lastInstalled?.verification ?? [];
      return found.length > 0 && found.every(({ state }) => state !== 'waiting' && state !== 'running') && found;
    });
    assert.deepEqual(
      lines.filter(({ state }) => state !== 'passed').map(({ code, text }) => `${code}: ${text}`),
      [],
    );
    assert.ok(lines.some(({ code }) => code === 'test-session'));
  });

  it('and back, by button, to what ran before', async () => {
    await check(() => run.rollBack('site'), 'site', '0.1.0');
    await check(() => run.rollBack('base'), 'base', '0.1.0');
  });

  it('has lost no session and no byte, and every recording is whole (I1, I2)', async () => {
    for (const outcome of await run.finish()) {
      assert.ok(outcome.typedBytes > 100);
      assert.deepEqual(
        { isLost: outcome.isLost, bytesLost: outcome.bytesLost, isRecordingWhole: outcome.isRecordingWhole },
        { isLost: false, bytesLost: 0, isRecordingWhole: true },
      );
    }
  });
});
