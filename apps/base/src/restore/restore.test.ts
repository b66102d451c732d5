import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  RESTORE_LINE_MAX_LENGTH,
  RESTORE_LINES_MAX,
  RESTORE_STEPS,
  restoreState,
  type RestoreStep,
} from '@bascule/protocol/api/restore.ts';
import { SYSTEM } from '@bascule/store/store.ts';
import { UNDO_STEPS } from './restore-steps.ts';
import { APPLIANCE, RestoreWorld, type FakeBackup } from './testing.ts';

const BACKUP: FakeBackup = { site: 'restored', recordings: { 'one.brec': 'restored' } };
const isFrom = (step: RestoreStep, mark: RestoreStep): boolean => RESTORE_STEPS.indexOf(step) >= RESTORE_STEPS.indexOf(mark);
/** Nothing of a restore lies about: neither what was unpacked nor an open journal. */
function assertTidy(world: RestoreWorld): void {
  const scratch = join(world.paths.site.site, 'restore');
  assert.deepEqual(existsSync(scratch) ? readdirSync(scratch) : [], []);
  assert.equal(world.restore.running(), undefined);
  assert.equal(world.site.ready, true);
}

describe('a restore', () => {
  it('puts what was uploaded in the place of what was here, which goes to the archive', async () => {
    using world = new RestoreWorld();
    const ended = await world.run(BACKUP);
    assert.deepEqual([ended.outcome, ended.cause, world.state], ['restored', null, 'restored']);
    assertTidy(world);
    const [archive = ''] = readdirSync(world.paths.site.archive);
    const kept = (name: string) => readFileSync(join(world.paths.site.archive, archive, name), 'utf8');
    assert.deepEqual([kept('site.db'), kept('keys/identity.key'), kept('recordings/old.brec')], ['old', 'old', 'old']);
    assert.deepEqual(ended.report?.clients, { total: 2, back: 1 });
    assert.deepEqual(ended.report?.missingClients, { count: 1, names: ['door-7'] });
    assert.deepEqual([ended.report?.history, ended.report?.epoch], ['his_2', 2]);
    assert.deepEqual(ended.report?.ended, []);
    assert.equal(ended.mayUndo, true);
    restoreState.parse(world.restore.state());
  });

  it('leaves recordings that are here where they are, when the backup has none', async () => {
    using world = new RestoreWorld();
    assert.equal((await world.run({ site: 'restored' })).outcome, 'restored');
    assert.equal(readFileSync(join(world.paths.site.recordings, 'old.brec'), 'utf8'), 'old');
  });

  it('works on a fresh box, and on one whose site cannot start', async () => {
    using fresh = new RestoreWorld(null);
    assert.deepEqual([(await fresh.run(BACKUP)).outcome, fresh.state], ['restored', 'restored']);
    using broken = new RestoreWorld('broken');
    assert.equal(broken.site.ready, false);
    assert.deepEqual([(await broken.run(BACKUP)).outcome, broken.state], ['restored', 'restored']);
  });

  it('takes back what does not start, and what was here works again', async () => {
    using world = new RestoreWorld();
    const ended = await world.run({ site: 'broken' });
    assert.deepEqual([ended.outcome, ended.cause?.code, world.state], ['taken-back', 'RESTORE_SITE_NOT_STARTED', 'old']);
    assert.equal(readFileSync(join(world.paths.site.recordings, 'old.brec'), 'utf8'), 'old');
    assertTidy(world);
  });

  it('changes nothing for a file that is damaged, or on which the site does not work', async () => {
    using world = new RestoreWorld();
    const damaged = await world.run({ ...BACKUP, fault: 'BACKUP_DAMAGED' });
    assert.deepEqual([damaged.outcome, damaged.cause?.code, damaged.step], ['failed', 'BACKUP_DAMAGED', 'unpack']);
    const unfit = await world.run({ ...BACKUP, isUnfit: true });
    assert.deepEqual([unfit.outcome, unfit.cause?.code], ['failed', 'SITE_CANDIDATE_FAILED']);
    assert.deepEqual([world.state, world.site.starts], ['old', 1]);
    assertTidy(world);
    // Its upload is still there, to be tried again.
    assert.equal(world.restore.uploads.list().length, 2);
  });

  it('is cancelled until what is here is touched', async () => {
    using world = new RestoreWorld();
    const upload = await world.upload(BACKUP);
    world.point = (step, when) => {
      if (step === 'restore-check' && when === 'before') world.restore.cancel(id, SYSTEM);
      return Promise.resolve();
    };
    const id = world.begin(upload);
    assert.throws(() => world.begin(upload), { code: 'RESTORE_RUNNING' });
    assert.throws(() => world.restore.assertIdle(), { code: 'RESTORE_RUNNING' });
    assert.deepEqual([(await world.ended(id)).outcome, world.state], ['cancelled', 'old']);
    const next = world.begin(await world.upload(BACKUP));
    world.point = (step, when) => {
      if (step === 'restore-swap' && when === 'before')
        assert.throws(() => world.restore.cancel(next, SYSTEM), { code: 'RESTORE_NOT_CANCELLABLE' });
      return Promise.resolve();
    };
    assert.equal((await world.ended(next)).outcome, 'restored');
  });

  it('is begun only after a look, by the name of the appliance, and while nothing else is under way', async () => {
    using world = new RestoreWorld();
    const upload = await world.upload(BACKUP);
    const start = (confirm: string, id = upload) =>
      world.restore.start(SYSTEM, { upload: id, withBoxSettings: false, breakPair: false, confirm });
    assert.throws(() => start('something else'), { code: 'RESTORE_CONFIRM' });
    assert.throws(() => start(APPLIANCE, crypto.randomUUID()), { code: 'RESTORE_NOT_INSPECTED' });
    world.busy = { code: 'INSTALLATION_RUNNING', message: 'An installation is running.', params: {} };
    assert.throws(() => start(APPLIANCE), { code: 'INSTALLATION_RUNNING' });
    const wrong = await world.upload({ ...BACKUP, fault: 'BACKUP_PASSWORD_WRONG' });
    assert.deepEqual(
      [world.restore.state().inspection?.state, world.restore.state().inspection?.error?.code],
      ['failed', 'BACKUP_PASSWORD_WRONG'],
    );
    world.busy = undefined;
    assert.throws(() => start(APPLIANCE, wrong), { code: 'RESTORE_NOT_INSPECTED' });
  });

  it('is refused on a backup of a pair, and breaks off the relationship of a primary when that was confirmed', async () => {
    using world = new RestoreWorld();
    const onPrimary = { ...BACKUP, pair: { role: 'primary', peer: 'b' } } as const;
    const upload = await world.upload(onPrimary);
    assert.throws(() => world.begin(upload), { code: 'RESTORE_IN_PAIR' });
    assert.equal((await world.ended(world.begin(upload, { breakPair: true }))).outcome, 'restored');
    assert.deepEqual(world.site.broken, ['break']);
    const onBackup = await world.upload({ ...BACKUP, pair: { role: 'backup', peer: 'b' } });
    assert.throws(() => world.begin(onBackup, { breakPair: true }), { code: 'RESTORE_ON_BACKUP' });
  });

  it('applies the settings of the box when they are asked for, and takes nothing back when they do not fit', async () => {
    using world = new RestoreWorld();
    const without = await world.run({ ...BACKUP, boxSettings: 'NTP' });
    assert.equal(
      without.steps.some(({ step }) => step === 'settings'),
      false,
    );
    assert.deepEqual(world.settingsApplied, []);
    const applied = await world.run({ ...BACKUP, boxSettings: 'NTP' }, { withBoxSettings: true });
    assert.deepEqual([applied.report?.boxSettings, world.settingsApplied], [{ applied: ['NTP'], failed: [] }, ['NTP']]);
    const refused = await world.run({ ...BACKUP, boxSettings: 'refused' }, { withBoxSettings: true });
    assert.deepEqual([refused.outcome, refused.report?.boxSettings.failed], ['restored', ['this machine has no second port']]);
  });
});

describe('a backup of somebody who means harm', () => {
  it('is not put in the place of the one that was looked into', async () => {
    using world = new RestoreWorld();
    const upload = await world.upload(BACKUP);
    const { file } = await world.restore.uploads.whole(upload);
    writeFileSync(file, readFileSync(file, 'utf8').replaceAll('restored', 'tampered'));
    const ended = await world.ended(world.begin(upload));
    assert.deepEqual([ended.outcome, ended.cause?.code, ended.step, world.state], ['failed', 'RESTORE_CHANGED', 'unpack', 'old']);
    assertTidy(world);
  });

  it('brings no settings of the box that nobody could read before', async () => {
    using world = new RestoreWorld();
    const harmless = Array.from({ length: RESTORE_LINES_MAX }, (_, number) => `line ${number}`);
    const long = `${'x'.repeat(RESTORE_LINE_MAX_LENGTH)}!`;
    for (const [lines, shown] of [
      [[...harmless, 'opens it to everybody'], RESTORE_LINES_MAX],
      [[long], 1],
    ] as const) {
      const upload = await world.upload({ ...BACKUP, boxSettings: lines.join('\n') });
      const preview = world.restore.look.shown?.preview;
      assert.equal(preview?.boxSettings.length, shown);
      const remark = preview.remarks.find(({ code }) => code === 'BOX_SETTINGS_MANY');
      assert.deepEqual(remark?.params, { more: 1 });
      assert.throws(() => world.begin(upload, { withBoxSettings: true }), { code: 'RESTORE_SETTINGS_MANY', params: { more: 1 } });
      assert.equal((await world.ended(world.begin(upload))).outcome, 'restored');
    }
    const most = await world.run({ ...BACKUP, boxSettings: harmless.join('\n') }, { withBoxSettings: true });
    assert.deepEqual([most.outcome, most.report?.boxSettings.failed], ['restored', []]);
    assert.equal(world.settingsApplied.length, 1);
    restoreState.parse(world.restore.state());
  });
});

describe('what was ended since the backup was made', () => {
  it('is said before the restore, and in the report', async () => {
    using world = new RestoreWorld();
    const none = { count: 0, names: [] };
    const names = Array.from({ length: 30 }, (_, at) => `client-${at}`);
    const nothing = { clients: none, accounts: none, apiTokens: none, installerTokens: none, administratorsLeft: none };
    const ben = { count: 1, names: ['ben'] };
    const upload = await world.upload({
      ...BACKUP,
      ended: { ...nothing, isSameSite: true, clients: { count: 30, names }, apiTokens: ben },
    });
    const said = (remarks: { code: string; message: string }[] = []) =>
      remarks.filter(({ code }) => /REVOKED|ENDED/.test(code)).map(({ code, message }) => `${code} ${message}`);
    const shown = said(world.restore.state().inspection?.preview?.remarks);
    assert.match(shown.join('\n'), /^CLIENTS_STAY_REVOKED .*: client-0, .*client-19 … \(\+10\)\nAPI_TOKENS_STAY_ENDED .*: ben$/);
    const { report } = await world.ended(world.begin(upload));
    assert.deepEqual(said(report?.ended), shown);
    const elsewhere = await world.run({ ...BACKUP, ended: { ...nothing, isSameSite: false, installerTokens: ben } });
    assert.match(
      said(elsewhere.report?.ended).join('\n'),
      /^INSTALLER_TOKENS_ENDED All installers of the backup are revoked.*: ben$/,
    );
  });
});

describe('undo of a restore', () => {
  it('puts back the state before, and may itself be undone', async () => {
    using world = new RestoreWorld();
    const restored = await world.run(BACKUP);
    const undone = await world.ended(world.restore.undo(SYSTEM, restored.id, APPLIANCE));
    assert.deepEqual([undone.operation, undone.outcome, world.state], ['undo', 'restored', 'old']);
    assert.equal(readFileSync(join(world.paths.site.recordings, 'old.brec'), 'utf8'), 'old');
    assert.equal(undone.report?.epoch, 3);
    // What came out of the archive leaves no empty folder there.
    assert.deepEqual(
      readdirSync(world.paths.site.archive).map((name) => name.replace(/^.*-/, '')),
      ['undone'],
    );
    assert.throws(() => world.restore.undo(SYSTEM, restored.id, APPLIANCE), { code: 'RESTORE_NO_UNDO' });
    const again = await world.ended(world.restore.undo(SYSTEM, undone.id, APPLIANCE));
    assert.deepEqual([again.outcome, world.state], ['restored', 'restored']);
    assertTidy(world);
  });

  it('is not there for what is not in the archive', async () => {
    using world = new RestoreWorld(null);
    const restored = await world.run({ site: 'broken' });
    assert.equal(restored.mayUndo, false);
    assert.throws(() => world.restore.undo(SYSTEM, restored.id, APPLIANCE), { code: 'RESTORE_NO_UNDO' });
  });
});

/** Renames of a restore here: four of the old state, four of the new one. */
const RENAMES = 9;
describe('base is killed', () => {
  const points = (steps: readonly RestoreStep[]) =>
    steps.filter((step) => step !== 'settings').flatMap((step) => (['before', 'after'] as const).map((when) => ({ step, when })));

  for (const { step, when } of points(RESTORE_STEPS))
    it(`${when} ${step} of a restore: whole afterwards, by itself`, async () => {
      using world = new RestoreWorld();
      const id = await cut(world, async () => world.begin(await world.upload(BACKUP)), `restore-${step}`, when);
      // Swapping is decided when the moves are written down, which is the first thing of `swap`.
      const isNew = isFrom(step, 'start') || (step === 'swap' && when === 'after');
      const ended = world.restore.find(id);
      assert.deepEqual([world.state, ended.outcome], isNew ? ['restored', 'restored'] : ['old', 'failed']);
      assertTidy(world);
    });

  for (const { step, when } of points(UNDO_STEPS))
    it(`${when} ${step} of an undo: whole afterwards, by itself`, async () => {
      using world = new RestoreWorld();
      const { id: restored } = await world.run(BACKUP);
      const begin = () => Promise.resolve(world.restore.undo(SYSTEM, restored, APPLIANCE));
      const id = await cut(world, begin, `restore-${step}`, when);
      const isNew = isFrom(step, 'start') || (step === 'swap' && when === 'after');
      assert.deepEqual([world.state, world.restore.find(id).outcome], isNew ? ['old', 'restored'] : ['restored', 'failed']);
      assertTidy(world);
      // Whatever it was, it can be asked for again.
      if (!isNew) assert.equal((await world.ended(world.restore.undo(SYSTEM, restored, APPLIANCE))).outcome, 'restored');
    });

  for (let count = 1; count <= RENAMES; count += 1)
    for (const when of ['before', 'after'] as const)
      it(`${when} rename ${count}, of a restore and while one is taken back`, async () => {
        using world = new RestoreWorld();
        await cut(world, async () => world.begin(await world.upload(BACKUP)), 'restore-rename', when, count);
        assert.equal(world.state, 'restored');
        assertTidy(world);
        // Half moved, and it is decided to take it back: the next start does.
        using other = new RestoreWorld();
        const id = other.begin(await other.upload(BACKUP));
        await other.crashAt('restore-rename', when, count);
        other.store.transact(SYSTEM, { code: 'TEST', summary: '', details: {} } as never, (tx) =>
          tx.run(
            `UPDATE restoration SET details = json_set(details, '$.undoing', json('{"code":"X","message":"x","params":{}}')) WHERE id = ?`,
            id,
          ),
        );
        await other.restart();
        assert.deepEqual([other.state, other.restore.find(id).outcome], ['old', 'taken-back']);
        assert.equal(readFileSync(join(other.paths.site.recordings, 'old.brec'), 'utf8'), 'old');
        assertTidy(other);
      });
});

/** Begins, ends base at the point, starts it again, and gives the restore's id when it has ended. */
async function cut(
  world: RestoreWorld,
  begin: () => Promise<string>,
  step: string,
  when: 'before' | 'after',
  count = 1,
): Promise<string> {
  const crashed = world.crashAt(step, when, count);
  const id = await begin();
  await crashed;
  await world.restart();
  return id;
}
