/**
 * I1 and I2 on the whole appliance: a person types into a real shell on a real Jump Client while programs are killed and links are cut.
 * Afterwards what the far process got is what was typed, and what it wrote is what the recording holds and what the person saw.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ApiClient } from '@bascule/testkit/api-client.ts';
import { CuttingProxy } from '@bascule/testkit/cutting-proxy.ts';
import { launchAppliance, type LaunchedAppliance } from '@bascule/testkit/launch-appliance.ts';
import { readRecording } from '@bascule/testkit/recorded-bytes.ts';
import { SeededRandom } from '@bascule/testkit/seeded-random.ts';
import { TestViewer } from '@bascule/testkit/viewer.ts';
import { FarProgram, numberedText } from '@bascule/testkit/far-program.ts';

/** Well above what a reconnect takes when two cores are busy. */
const COME_BACK_LIMIT_MS = 60_000;
const PIECE_BYTES = 60;
const RANDOM_FAULTS = 14;

let appliance: LaunchedAppliance;
let proxy: CuttingProxy;
let api: ApiClient;
let item: string;

before(async () => {
  appliance = await launchAppliance();
  proxy = await CuttingProxy.start(appliance.port);
  api = await ApiClient.pin(appliance.url);
  await api.takeOver(appliance.passwords.login, 'correct horse battery staple');
  await appliance.startJumpClient({ name: 'far', url: `https://127.0.0.1:${proxy.port}` });
  item = await api.onlineItem('far');
});

after(async () => {
  await appliance[Symbol.asyncDispose]();
  await proxy[Symbol.asyncDispose]();
});

/** As a person would: when the Jump Item is shown as online. */
async function openSession(): Promise<string> {
  await api.onlineItem('far');
  return api.openSession(item);
}

type Fault = { name: string; strike(viewer: TestViewer): Promise<void> | void };
const FAULTS: Fault[] = [
  { name: 'SIGKILL of the relay', strike: () => appliance.kill('relay') },
  { name: 'SIGKILL of site main', strike: () => appliance.kill('site') },
  { name: 'SIGKILL of base', strike: () => appliance.kill('base') },
  { name: 'SIGKILL of boot', strike: () => appliance.kill('boot') },
  { name: 'SIGKILL of all at once', strike: () => appliance.killAll() },
  { name: "the browser's link cut", strike: (viewer) => viewer.client.dropLink() },
  { name: "the client's links cut", strike: () => proxy.cut() },
  {
    name: "the client's network swallowing for a second, then cut",
    async strike() {
      proxy.hold();
      await delay(1000);
      proxy.release();
      proxy.cut();
    },
  },
];

/** Checks that nothing was lost, doubled or reordered, in either direction. */
async function checkAccounts(far: FarProgram, viewer: TestViewer, typed: string): Promise<void> {
  const detail = await api.endedSession(viewer.session);
  assert.equal(far.received().toString('latin1'), typed, 'the far process got exactly what was typed');
  const produced = far.produced();
  const recording = await readRecording(api, viewer.session);
  const sum = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
  assert.equal(
    sum(recording.terminal.subarray(-produced.length)),
    sum(produced),
    'the recording holds what the far process wrote',
  );
  assert.equal(recording.complete, true);
  assert.equal(recording.reason, 'process-exited');
  assert.equal(recording.headSha256, detail.recording?.headSha256);
  assert.equal(detail.session.endReason, 'process-exited');
  assert.equal(detail.session.exitCode, 0);
  assert.equal(sum(viewer.bytes().subarray(-produced.length)), sum(produced), 'the person saw what the far process wrote');
  assert.deepEqual(viewer.errors, []);
}

async function failWithLogs(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    appliance.fail(error);
  }
}

describe('an access session survives', { concurrency: false }, () => {
  it('each fault, struck while a person types and the far process writes', async (t) => {
    await failWithLogs(async () => {
      const typed = numberedText(2 * PIECE_BYTES * FAULTS.length);
      using far = new FarProgram(typed.length, 3000);
      const session = await openSession();
      using viewer = new TestViewer(api, session);
      await far.run(viewer);
      let at = 0;
      const typePiece = () => viewer.type(typed.slice(at, (at += PIECE_BYTES)));
      for (const fault of FAULTS) {
        const startedMs = Date.now();
        typePiece();
        await fault.strike(viewer);
        typePiece();
        await viewer.untilConfirmed(COME_BACK_LIMIT_MS);
        await appliance.ready();
        t.diagnostic(`${fault.name}: all typed bytes arrived after ${Date.now() - startedMs} ms`);
      }
      await viewer.until('the far process is done', () => viewer.exit !== undefined, COME_BACK_LIMIT_MS);
      assert.ok(viewer.statuses.includes('reconnecting'));
      await checkAccounts(far, viewer, typed);
    });
  });

  it('faults at random points', async (t) => {
    const random = new SeededRandom();
    t.diagnostic(`BASCULE_SEED=${random.seed}`);
    await failWithLogs(async () => {
      const typed = numberedText(3000);
      using far = new FarProgram(typed.length, 4000);
      const session = await openSession();
      using viewer = new TestViewer(api, session);
      await far.run(viewer);
      const typeAll = async () => {
        for (let at = 0; at < typed.length;) {
          const length = 1 + random.below(12);
          viewer.type(typed.slice(at, at + length));
          at += length;
          await delay(random.below(120));
        }
      };
      const strikeAll = async () => {
        for (let count = 0; count < RANDOM_FAULTS; count += 1) {
          await delay(random.below(1500));
          const fault = random.pick(FAULTS);
          t.diagnostic(fault.name);
          await fault.strike(viewer);
        }
      };
      await Promise.all([typeAll(), strikeAll()]);
      await viewer.until('the far process is done', () => viewer.exit !== undefined, COME_BACK_LIMIT_MS);
      await checkAccounts(far, viewer, typed);
    });
  });

  for (const program of ['relay', 'site', 'base'] as const) {
    it(`SIGKILL of ${program} in the moment in which it starts`, async () => {
      await failWithLogs(async () => {
        const typed = numberedText(200);
        using far = new FarProgram(typed.length, 10);
        const session = await openSession();
        await appliance.kill(program);
        using viewer = new TestViewer(api, session);
        await far.run(viewer);
        viewer.type(typed);
        await viewer.until('the far process is done', () => viewer.exit !== undefined, COME_BACK_LIMIT_MS);
        await checkAccounts(far, viewer, typed);
      });
    });

    it(`as a whole recording, SIGKILL of ${program} in the moment in which it ends`, async () => {
      await failWithLogs(async () => {
        const session = await openSession();
        using viewer = new TestViewer(api, session);
        viewer.type('printf "%s" be""fore\r');
        await viewer.untilText('before');
        await api.send('POST', `access-sessions/${session}/end`, {});
        await appliance.kill(program);
        await appliance.ready();
        const detail = await api.endedSession(session);
        assert.equal(detail.session.endReason, 'ended-by-user');
        assert.equal(detail.recording?.complete, true);
        const recording = await readRecording(api, session);
        assert.ok(recording.terminal.includes('before'));
        assert.equal(recording.headSha256, detail.recording?.headSha256);
      });
    });
  }

  it('a page that is closed and opened again: the shell goes on, and the screen comes back', async () => {
    await failWithLogs(async () => {
      const session = await openSession();
      {
        using first = new TestViewer(api, session);
        first.type('MARK=kept; printf "%s" on""e\r');
        await first.untilText('one');
        await first.untilConfirmed();
      }
      using second = new TestViewer(api, session);
      await second.untilText('one');
      second.type('printf "%s" "$MARK-tw""o"\r');
      await second.untilText('kept-two');
      await api.send('POST', `access-sessions/${session}/end`, {});
      await second.untilStatus('ended');
      await api.endedSession(session);
    });
  });

  it('a flood in another session, whose viewer does not read', async () => {
    await failWithLogs(async () => {
      const flooded = await openSession();
      using stuck = new TestViewer(api, flooded);
      stuck.type('printf "%s" re""ady\r');
      await stuck.untilText('ready');
      stuck.isReading = false;
      stuck.type('yes this machine floods\r');
      const session = await openSession();
      using viewer = new TestViewer(api, session);
      viewer.type('stty -echo; PS1=; cat\r');
      await delay(1000);
      for (let round = 0; round < 100; round += 1) {
        viewer.type(`ping ${round}\r`);
        await viewer.untilText(`ping ${round}\r\n`, 5000);
      }
      for (const id of [session, flooded]) {
        await api.send('POST', `access-sessions/${id}/end`, {});
        assert.equal((await api.endedSession(id)).session.endReason, 'ended-by-user');
      }
      stuck.readOn();
    });
  });
});
