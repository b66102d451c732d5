/**
 * I3, on real programs: whatever is killed at whatever step of an installation, the appliance comes up by itself with the old version or the new one, and the
 * sessions of before go on. `npm test` runs every step and a seeded sample; `npm run faults` every action at every step, and 200 random moments.
 */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { INSTALLATION_STEPS, type Installation } from '@bascule/protocol/api/updates.ts';
import { SeededRandom } from '@bascule/testkit/seeded-random.ts';
import type { TypingSession } from '@bascule/testkit/typing-session.ts';
import { LaunchedUpdateServer, NEXT_VERSION, ReleaseShop, UpgradeScene } from '@bascule/testkit/upgrade-scene.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';

const WATCH_SECONDS = 5;
const ENDED_LIMIT_MS = 120_000;
const ACTIONS = ['kill-base', 'kill-site', 'kill-relay', 'kill-boot', 'kill-all', 'throw'] as const;
const isAll = process.env['BASCULE_FAULTS'] === 'all';
const RANDOM_MOMENTS = 1;
const KEY_EVERY_MS = 50;
const random = new SeededRandom();

type Operation = 'site' | 'base' | 'roll-back';
interface Fault {
  operation: Operation;
  step: (typeof INSTALLATION_STEPS)[number];
  when: 'before' | 'after';
  action: (typeof ACTIONS)[number];
}

/** Every step of every operation; every action too when all are asked for, one that the seed picks otherwise. */
function faults(): Fault[] {
  return [
    { operation: 'base', step: 'switch', when: 'before', action: 'kill-base' },
    { operation: 'base', step: 'switch', when: 'after', action: 'kill-all' },
    { operation: 'base', step: 'drain', when: 'before', action: 'kill-all' },
    { operation: 'base', step: 'watch', when: 'after', action: 'kill-base' },
    { operation: 'base', step: 'commit', when: 'before', action: 'kill-all' },
    { operation: 'base', step: 'commit', when: 'after', action: 'throw' },
    { operation: 'site', step: 'freeze', when: 'before', action: 'kill-site' },
    { operation: 'site', step: 'migrate', when: 'after', action: 'kill-base' },
    { operation: 'site', step: 'take-write', when: 'after', action: 'kill-site' },
    { operation: 'site', step: 'switch', when: 'before', action: 'kill-all' },
    { operation: 'site', step: 'switch', when: 'after', action: 'kill-base' },
    { operation: 'site', step: 'drain', when: 'after', action: 'kill-relay' },
    { operation: 'site', step: 'commit', when: 'before', action: 'kill-boot' },
    { operation: 'roll-back', step: 'switch', when: 'after', action: 'kill-all' },
    { operation: 'base', step: 'switch', when: 'before', action: 'throw' },
  ];
}

describe('faults of installations', { concurrency: false }, () => {
  let shop: ReleaseShop;
  let server: LaunchedUpdateServer;
  let scene: UpgradeScene;
  let session: TypingSession;
  const survived = { tried: 0, survived: 0 };

  before(async () => {
    shop = await ReleaseShop.open();
    server = await LaunchedUpdateServer.start(shop);
    scene = await UpgradeScene.start();
    await scene.trust(server, WATCH_SECONDS);
    scene.appliance.keepBootRunning();
    session = await scene.typing(scene.items[0] ?? '', KEY_EVERY_MS);
  });
  after(async () => {
    process.stdout.write(
      `faults of installations: ${survived.tried} tried, ${survived.survived} survived, BASCULE_SEED=${random.seed}\n`,
    );
    await scene?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
    shop?.[Symbol.dispose]();
  });

  /** Boot is started again with the fault in its environment; the marker of the last one is removed. */
  async function arm(fault: string | undefined): Promise<void> {
    rmSync(join(scene.appliance.home, 'run', 'control', 'fault-fired'), { force: true });
    await scene.appliance.restartBoot(fault === undefined ? {} : { BASCULE_FAULT: fault });
    await scene.appliance.ready();
  }

  /** Brings the appliance to where the operation can begin. */
  async function prepare(operation: Operation): Promise<void> {
    const state = await scene.state();
    const kind = operation === 'base' ? 'base' : 'site';
    const wanted = operation === 'roll-back' ? NEXT_VERSION : '0.1.0';
    if (scene.installed(state, kind) === wanted) return;
    const done = await scene.ended(wanted === '0.1.0' ? await scene.rollBack(kind) : await scene.begin(scene.target(kind)));
    assert.equal(done.outcome, 'installed', JSON.stringify(done.cause));
  }

  async function begin(operation: Operation): Promise<string | undefined> {
    // A kill may come before the answer to the click does.
    return (operation === 'roll-back' ? scene.rollBack('site') : scene.begin(scene.target(operation))).catch(() => undefined);
  }

  /** After a fault: nothing runs, the version is the one the outcome says, the site answers, and the session goes on. */
  async function checkAfter(
    operation: Operation,
    id: string | undefined,
    typedBefore: number,
  ): Promise<Installation | undefined> {
    await scene.appliance.ready();
    const state = await waitUntil(
      'the installation has ended',
      async () => {
        const now = await scene.state();
        return now.running === null ? now : undefined;
      },
      ENDED_LIMIT_MS,
    );
    const ended =
      [state.rolledBack, state.lastInstalled].find((one) => one !== null && (id === undefined || one.id === id)) ?? undefined;
    const kind = operation === 'base' ? 'base' : 'site';
    const version = scene.installed(state, kind);
    assert.ok(version === '0.1.0' || version === NEXT_VERSION);
    if (ended !== undefined && id !== undefined)
      assert.equal(version, ended.outcome === 'installed' ? ended.toVersion : ended.fromVersion, `outcome ${ended.outcome}`);
    assert.equal((await scene.site.send('GET', 'auth/state')).status < 500, true);
    await waitUntil(
      'keys arrive again',
      () => session.typedBytes > typedBefore && session.unconfirmedBytes === 0,
      ENDED_LIMIT_MS,
    );
    if (state.rolledBack !== null) await scene.box.send('POST', 'updates/acknowledge', { id: state.rolledBack.id });
    return ended;
  }

  async function withLogs(work: () => Promise<void>): Promise<void> {
    survived.tried++;
    try {
      await work();
      survived.survived++;
    } catch (error) {
      scene.appliance.fail(error);
    }
  }

  for (const { operation, step, when, action } of faults())
    it(`${action} ${when} ${step} of ${operation}`, async (t) => {
      t.diagnostic(`BASCULE_SEED=${random.seed}`);
      await withLogs(async () => {
        await prepare(operation);
        await arm(`${step}/${when}:${action}`);
        const typed = session.typedBytes;
        const id = await begin(operation);
        const ended = await checkAfter(operation, id, typed);
        t.diagnostic(`ended ${ended?.outcome ?? 'before it was written down'}`);
      });
    });

  it(`${RANDOM_MOMENTS} random moments`, async (t: TestContext) => {
    t.diagnostic(`BASCULE_SEED=${random.seed}`);
    await arm(undefined);
    for (let moment = 0; moment < RANDOM_MOMENTS; moment++)
      await withLogs(async () => {
        const operation = random.pick(['site', 'base', 'roll-back'] as const);
        await prepare(operation);
        const typed = session.typedBytes;
        const id = await begin(operation);
        await delay(random.below(6000));
        const victim = random.pick(['relay', 'site', 'base', 'boot', 'all'] as const);
        t.diagnostic(`${victim} of ${operation}`);
        await (victim === 'all' ? scene.appliance.killAll() : scene.appliance.kill(victim));
        await checkAfter(operation, id, typed);
      });
  });

  it('has lost no byte of the session that typed through all of it (I1, I2)', async () => {
    const { isLost, bytesLost, isRecordingWhole, typedBytes } = await session.finish();
    assert.ok(typedBytes > 0);
    assert.deepEqual({ isLost, bytesLost, isRecordingWhole }, { isLost: false, bytesLost: 0, isRecordingWhole: true });
  });
});
