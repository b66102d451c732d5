/**
 * I3 and I2 with packages that are no good: each is taken back without anybody's help, the page says so and why, and the session that types loses nothing. Those
 * that a limit of a minute ends are on an appliance of their own, which waits while the others are tried.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { FaultScene, FIRST_VERSION, type Kind } from '@bascule/testkit/fault-scene.ts';
import type { Changes } from '@bascule/testkit/test-releases.ts';
import { LaunchedUpdateServer, ReleaseShop } from '@bascule/testkit/upgrade-scene.ts';

/** Long enough for a crash loop to show on a slow machine; nothing here is watched to the end. */
const WATCH_SECONDS = 30;
const SITE_MAIN = 'apps/site/src/main.ts';
const BASE_MAIN = 'apps/base/src/main.ts';
const isAll = process.env['BASCULE_FAULTS'] === 'all';

interface FailingPackage extends Changes {
  name: string;
  kind: Kind;
  /** The code of the cause that the page shows. */
  cause: string;
  /** The step at which it is given up, where that does not depend on how fast the machine is. */
  step?: string;
  /** Ended by a limit of a minute and more. */
  isSlow?: boolean;
  /** Left to `npm run faults`: it takes three such minutes, or another one here shows nearly the same. */
  onlyWithAll?: boolean;
}

const replaced =
  (found: string, by: string) =>
  (text: string): string => {
    assert.ok(text.includes(found), `the text that a failing package changes is not there any more: ${found}`);
    return text.replace(found, by);
  };

const FAILING: FailingPackage[] = [
  {
    name: 'a site that says it is not well once it has taken over',
    kind: 'site',
    version: '0.3.1',
    edits: {
      [SITE_MAIN]: replaced('ok: true, detail: program?.health()', 'ok: program === undefined, detail: program?.health()'),
    },
    cause: 'SITE_UNHEALTHY',
    step: 'take-write',
    onlyWithAll: true,
  },
  {
    name: 'a site that falls ill soon after it has taken over',
    kind: 'site',
    version: '0.3.2',
    edits: {
      [SITE_MAIN]: (text) =>
        replaced(
          'let isStopping = false;',
          'let isStopping = false;\nlet healthy = 6;',
        )(replaced('ok: true, detail: program?.health()', 'ok: --healthy > 0, detail: program?.health()')(text)),
    },
    cause: 'SITE_UNHEALTHY',
  },
  {
    // It may be noticed in `drain` or in `watch`: on a slow machine clients need longer to come back than the programs to die three times.
    name: 'a site that dies again and again once it serves',
    kind: 'site',
    version: '0.3.3',
    edits: {
      [SITE_MAIN]: replaced(
        '  if (isStopping) stop(false);',
        '  if (isStopping) stop(false);\n  setTimeout(() => process.exit(1), 500);',
      ),
    },
    cause: 'CRASH_LOOP',
  },
  {
    name: 'a site whose migration fails',
    kind: 'site',
    version: '0.3.4',
    // It works on the empty database of whoever makes the package, and on none with a Jump Client.
    migration:
      'CREATE TABLE client_count (number INTEGER PRIMARY KEY NOT NULL CHECK (number = 0)) STRICT; INSERT INTO client_count SELECT count(*) FROM jump_clients;',
    cause: 'SITE_CANDIDATE_FAILED',
    step: 'migrate',
  },
  {
    name: 'a base that dies whenever it starts',
    kind: 'base',
    version: '0.3.5',
    edits: { [BASE_MAIN]: (text) => text.replaceAll('await Base.start(', 'await (process.exit(1), Base).start(') },
    cause: 'BASE_DID_NOT_STAY',
    step: 'switch',
  },
  {
    name: 'a base that works, and dies again and again before it is confirmed',
    kind: 'base',
    version: '0.3.6',
    edits: {
      'apps/base/src/compose.ts': replaced(
        "await this.#boot.send({ kind: 'ready' });",
        "await this.#boot.send({ kind: 'ready' });\n    setTimeout(() => process.exit(1), 1_500);",
      ),
    },
    cause: 'BASE_DID_NOT_STAY',
  },
  {
    name: 'a base that says at once that it cannot work',
    kind: 'base',
    version: '0.3.7',
    edits: { [BASE_MAIN]: replaced('try {\n', "try {\n  throw new Error('not today');\n") },
    cause: 'BASE_CANDIDATE_FAILED',
    step: 'switch',
    onlyWithAll: true,
  },
  {
    name: 'a site that never says that it is prepared',
    kind: 'site',
    version: '0.4.1',
    edits: { [SITE_MAIN]: replaced("tell({ kind: 'prepared', schema, pending", "log.info({ kind: 'prepared', schema, pending") },
    cause: 'SITE_CANDIDATE_FAILED',
    step: 'candidate',
    isSlow: true,
  },
  {
    name: 'a base that never says that it is prepared',
    kind: 'base',
    version: '0.4.2',
    edits: { [BASE_MAIN]: replaced("await boot.send({ kind: 'prepared' });", '') },
    cause: 'BASE_CANDIDATE_FAILED',
    step: 'switch',
    isSlow: true,
  },
  {
    name: 'a base that takes over and never says that it is ready',
    kind: 'base',
    version: '0.4.3',
    edits: {
      'apps/base/src/compose.ts': replaced("await this.#boot.send({ kind: 'ready' });", 'await new Promise(() => undefined);'),
    },
    cause: 'BASE_DID_NOT_STAY',
    step: 'switch',
    isSlow: true,
    onlyWithAll: true,
  },
];

const LEFT = 'npm run faults does it';

/** A limit of a minute is waited for by `npm run faults` alone. */
function isTried({ isSlow, onlyWithAll }: FailingPackage): boolean {
  return isAll || (isSlow !== true && onlyWithAll !== true);
}

describe('packages that are no good', { concurrency: true }, () => {
  let shop: ReleaseShop;
  let server: LaunchedUpdateServer;
  const opened = Promise.withResolvers<void>();
  // Whoever waits for it says so.
  opened.promise.catch(() => undefined);

  before(async () => {
    try {
      shop = await ReleaseShop.open();
      for (const failing of FAILING) if (isTried(failing)) await shop.release(failing, undefined, [failing.kind]);
      server = await LaunchedUpdateServer.start(shop);
      opened.resolve();
    } catch (error) {
      opened.reject(error);
      throw error;
    }
  });
  after(async () => {
    await server?.[Symbol.asyncDispose]();
    shop?.[Symbol.dispose]();
  });

  for (const isSlow of [false, true])
    describe(
      isSlow ? 'and say nothing' : 'and say or do something',
      { concurrency: false, skip: isSlow && !isAll && LEFT },
      () => {
        let scene: FaultScene;

        before(async () => {
          await opened.promise;
          scene = await FaultScene.start(server, WATCH_SECONDS);
        });
        after(async () => {
          await scene?.[Symbol.asyncDispose]();
        });

        for (const failing of FAILING.filter((one) => (one.isSlow === true) === isSlow)) {
          const skip = !isTried(failing) && LEFT;
          it(failing.name, { skip }, async () => {
            await checkTakenBack(scene, failing).catch((error: unknown) => scene.scene.appliance.fail(error));
          });
        }

        if (!isSlow) {
          it('an archive that was damaged on the server: it is not unpacked', async () => {
            await checkDamaged(scene, shop);
          });
          it('a list of releases with a wrong signature: it is not believed', async () => {
            await checkWrongSignature(scene, shop);
          });
        }

        it('no byte of the session was lost, and its recording is whole (I1, I2)', async () => {
          const { isLost, bytesLost, isRecordingWhole, typedBytes } = await scene.session.finish();
          assert.ok(typedBytes > 100);
          assert.deepEqual({ isLost, bytesLost, isRecordingWhole }, { isLost: false, bytesLost: 0, isRecordingWhole: true });
        });
      },
    );
});

/** Installs it; afterwards the earlier version is in use, and the page tells what happened until somebody has acknowledged it. */
async function checkTakenBack(scene: FaultScene, { kind, version, cause, step }: FailingPackage): Promise<void> {
  await scene.change();
  const id = await scene.scene.begin(scene.scene.target(kind, version));
  const { ended, state } = await scene.afterwards({ kind, does: 'install' }, id);
  assert.deepEqual({ outcome: ended?.outcome, cause: ended?.cause?.code }, { outcome: 'rolled-back', cause });
  if (step !== undefined) assert.equal(ended?.step, step);
  assert.equal(scene.scene.installed(state, kind), FIRST_VERSION);
  assert.equal(state.rolledBack?.id, id);
  assert.ok(state.rolledBack?.cause?.message && state.rolledBack.cause.advice);
  const acknowledged = await scene.scene.box.send('POST', 'updates/acknowledge', { id });
  assert.equal(acknowledged.status, 200);
  assert.equal((await scene.scene.state()).rolledBack, null);
}

async function checkDamaged(scene: FaultScene, shop: ReleaseShop): Promise<void> {
  const directory = join(shop.repository, 'targets', 'site');
  const name = readdirSync(directory).find((one) => one.endsWith('bascule-site-0.2.0.tar.zst')) ?? '';
  const archive = readFileSync(join(directory, name));
  archive[archive.length >> 1] = (archive[archive.length >> 1] ?? 0) ^ 0xff;
  writeFileSync(join(directory, name), archive);
  const id = await scene.scene.begin(scene.scene.target('site'));
  const { ended } = await scene.afterwards({ kind: 'site', does: 'install' }, id);
  assert.deepEqual({ outcome: ended?.outcome, step: ended?.step }, { outcome: 'failed', step: 'download' });
  assert.match(ended?.cause?.code ?? '', /^PACKAGE_/);
}

async function checkWrongSignature(scene: FaultScene, shop: ReleaseShop): Promise<void> {
  const before = await scene.scene.state();
  const file = join(shop.repository, 'metadata', 'timestamp.json');
  const signed = readFileSync(file, 'utf8');
  const forged = signed.replace(
    /("sig":\s*")([0-9a-f])/,
    (_, start: string, digit: string) => `${start}${digit === '0' ? '1' : '0'}`,
  );
  assert.notEqual(forged, signed);
  writeFileSync(file, forged);
  const state = await scene.scene.check();
  writeFileSync(file, signed);
  assert.ok(state.lastCheck?.error, 'the look for updates says nothing of it');
  assert.deepEqual(
    state.offers.map(({ target }) => target),
    before.offers.map(({ target }) => target),
  );
}
