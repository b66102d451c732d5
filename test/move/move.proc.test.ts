/**
 * A site is moved from one box to another with a transfer code, while somebody types in a session: everything comes over, not a byte is lost, clients follow, and the old box
 * becomes a signpost for people and clients (B203-B206; I1, I2, I5, I6).
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { z } from 'zod';
import { madeTransferCode, moveLook, moveOverview, type MoveOverview } from '@bascule/protocol/api/move.ts';
import { ApiClient, ApiFailure } from '@bascule/testkit/api-client.ts';
import type { LaunchedJumpClient } from '@bascule/testkit/launch-jump-client.ts';
import { createdName, groupNames } from '@bascule/testkit/pair-changes.ts';
import { PairScene, type PairSide } from '@bascule/testkit/pair-scene.ts';
import { SharedAddress } from '@bascule/testkit/shared-address.ts';
import { TypingSession } from '@bascule/testkit/typing-session.ts';
import { SITE_PASSWORD } from '@bascule/testkit/upgrade-scene.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';

const LIMIT_MS = 120_000;
const BOX_PASSWORD = 'a password of the box itself';

describe('a move to other hardware', { concurrency: false }, () => {
  let scene: PairScene;
  let [old, young]: PairSide[] = [];
  let boxes: { old: ApiClient; young: ApiClient };
  let shared: SharedAddress;
  let typing: TypingSession;
  let code: string;
  let away: LaunchedJumpClient;

  before(async () => {
    scene = await PairScene.start();
    [old, young] = scene.sides;
    boxes = { old: await boxOf(scene.a), young: await boxOf(scene.b) };
    shared = await SharedAddress.start();
  });
  after(async () => {
    typing?.[Symbol.dispose]();
    await scene?.[Symbol.asyncDispose]();
    await shared?.[Symbol.asyncDispose]();
  });

  async function boxOf({ appliance }: PairSide): Promise<ApiClient> {
    const box = await ApiClient.pin(appliance.url, '/appliance/api');
    await box.takeOver(appliance.passwords.appliance, BOX_PASSWORD);
    return box;
  }

  const overview = () => boxes.young.call('GET', 'move', moveOverview);
  const until = (what: string, wanted: (move: NonNullable<MoveOverview['move']>) => boolean) =>
    waitUntil(
      what,
      async () => {
        // Its base may just be dead.
        const move = (await overview().catch(() => undefined))?.move ?? undefined;
        return move !== undefined && wanted(move) ? move : undefined;
      },
      LIMIT_MS,
    ).catch(async (error: unknown) =>
      young!.appliance.fail(new Error(`${String(error)}: ${JSON.stringify((await overview()).move)}`)),
    );

  it('is looked at first, and a code of yesterday, of nobody or of another box opens nothing', async () => {
    await old!.appliance.startJumpClient({ name: 'far' });
    await old!.site.onlineItem('far');
    away = await old!.appliance.startJumpClient({ name: 'away' });
    await old!.site.onlineItem('away');
    await away.kill();
    await createdName(old!, 'before the move');
    await createdName(young!, 'of the new box alone');
    const first = await boxes.old.call('POST', 'move/code', madeTransferCode, {});
    ({ code } = await boxes.old.call('POST', 'move/code', madeTransferCode, {}));
    const own = young!.endpoint;
    await assert.rejects(boxes.young.call('POST', 'move/look', moveLook, { code: first.code, own }), {
      code: 'MOVE_CODE_REFUSED',
    });
    await assert.rejects(
      boxes.young.call('POST', 'move/look', moveLook, { code: `${code.slice(0, -3)}AAA`, own }),
      (error: unknown) => {
        return error instanceof ApiFailure && ['MOVE_CODE_REFUSED', 'MOVE_CODE_UNREADABLE'].includes(error.code);
      },
    );
    const stranger = boxes.old.fresh();
    const refused = await stranger.send('POST', 'move/old', { kind: 'look' }, { 'transfer-secret': 'no' });
    assert.equal(refused.status, 404);

    const { old: seen, checks } = await boxes.young.call('POST', 'move/look', moveLook, { code, own });
    assert.deepEqual([seen.appliance, seen.clientsOnline], ['north', 1]);
    assert.deepEqual(
      checks.filter(({ outcome }) => outcome === 'red'),
      [],
    );
    assert.equal((await overview()).move, null, 'looking has begun nothing');
  });

  it('copies everything while the old box serves, and waits for a person', async () => {
    shared.moveTo(old!.endpointOf());
    const api = await ApiClient.pin(shared.url);
    api.agent.options.rejectUnauthorized = false;
    await api.logIn('admin', SITE_PASSWORD);
    typing = await TypingSession.start(api, await api.onlineItem('far'));

    await boxes.young.call('POST', 'move/begin', moveOverview, { code, own: young!.endpoint, parts: [] });
    await assert.rejects(boxes.young.call('POST', 'move/begin', moveOverview, { code, own: young!.endpoint, parts: [] }), {
      code: 'MOVE_RUNNING',
    });
    await young!.appliance.kill('base');
    const move = await until('waits for the switch, although its base died on the way', ({ state }) => state === 'waiting');
    assert.equal(move.step, 'ready');
    await young!.until('is the backup', ({ self }) => self.role === 'backup');
    await old!.until('serves', ({ self }) => self.role === 'primary');
    await assert.rejects(boxes.old.call('POST', 'move/code', madeTransferCode, {}), { code: 'MOVE_NOT_NOW' });
  });

  it('switches while somebody types and the old base dies: clients follow, nothing is lost, and the old box is a signpost', async () => {
    await createdName(old!, 'the last one');
    await boxes.young.call('POST', 'move/switch', z.unknown(), {});
    await old!.appliance.kill('base');
    await young!.until('serves', ({ self }) => self.role === 'primary');
    shared.moveTo(young!.endpointOf());
    const move = await until('is done', ({ state }) => state === 'done');
    assert.deepEqual([move.clients, move.problem], [{ before: 1, back: 1 }, null]);

    const wanted = typing.typedBytes + 20;
    await waitUntil('keys arrive at the new box', () => typing.typedBytes >= wanted && typing.unconfirmedBytes === 0, LIMIT_MS);
    const outcome = await typing.finish();
    assert.deepEqual([outcome.isLost, outcome.bytesLost, outcome.isRecordingWhole], [false, 0, true], outcome.differences.join());

    const state = await young!.until('is single', ({ self }) => self.role === 'single');
    assert.equal(state.peer, null);
    const names = await groupNames(young!);
    assert.ok(names.has('before the move') && names.has('the last one'), [...names].join());
    assert.ok(!names.has('of the new box alone'));

    const { moved, code: left } = await boxes.old.call('GET', 'move', moveOverview);
    assert.deepEqual([moved?.appliance, moved?.endpoint, left], ['south', young!.endpoint, null]);
    // There was none before, and the one of the move counts no more.
    for (const side of [old!, young!]) await side.until('has no pre-shared key', ({ preSharedKey }) => !preSharedKey.isSet);
    await assert.rejects(createdName(old!, 'too late'), (error: unknown) => error instanceof ApiFailure);
    const publicState = await boxes.old.fresh().send('GET', 'state');
    assert.match(publicState.body.toString(), /"moved":\{"appliance":"south"/);
  });

  it('leads a client that was away, and knows the old address alone, to the new box', async () => {
    away.restart();
    await young!.site.onlineItem('away');
  });

  it('goes on leading there after the old box was restarted', async () => {
    await old!.appliance.restartBoot();
    await old!.appliance.ready();
    const { moved } = await boxes.old.call('GET', 'move', moveOverview);
    assert.equal(moved?.appliance, 'south');
    await old!.until('is read-only', ({ self }) => self.role === 'read-only');
  });
});
