import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { AppError } from '@bascule/errors/app-error.ts';
import { createLog } from '@bascule/log/log.ts';
import type { BoxSettingsFile } from '@bascule/protocol/api/box-settings.ts';
import { readAudit } from '@bascule/store/audit.ts';
import { openTestStore, testContext } from '@bascule/store/testing.ts';
import { BoxDocument, Changes, changeMigrations } from '../changes/changes.ts';
import { BoxSettings, settingsForSite, settingsLine } from './box-settings.ts';

const log = createLog('test', 'silent');

/** Two parts: `way` can cut people off and is put back, `mail` has a secret and stays. */
function bench() {
  const test = openTestStore(changeMigrations);
  const { store } = test;
  const changes = new Changes({ store, log });
  const way = new BoxDocument('way', z.array(z.string()), []);
  const mail = new BoxDocument('mail', z.object({ host: z.string(), password: z.string().optional() }), { host: '' });
  const applied: string[] = [];
  const settings = new BoxSettings({ changes, applianceName: 'alpha', baseVersion: '1.0.0', now: () => 7 });
  changes.register({
    kind: 'way',
    schema: z.array(z.string()),
    restore: (tx, before) => way.write(tx, before),
    applied: () => void applied.push('way'),
  });
  settings.register({
    name: 'way',
    schema: z.array(z.string()),
    read: () => way.read(store),
    describe: (value) =>
      value.map((one) => settingsLine(`way ${one}`, 'added', { one }, `Adds ${one}.`, one === 'eth7' ? 'no such port' : null)),
    write: (tx, value, isLeftOut) =>
      way.write(
        tx,
        value.filter((one) => !isLeftOut(`way ${one}`)),
      ),
    applied: () => undefined,
    before: () => [{ kind: 'way', before: way.read(store) }],
    mightCut: (value, isLeftOut) => value.some((one) => !isLeftOut(`way ${one}`)),
  });
  settings.register({
    name: 'mail',
    schema: mail.schema,
    read(withSecrets) {
      const { password, ...rest } = mail.read(store);
      return withSecrets && password !== undefined ? { ...rest, password } : rest;
    },
    describe: (value) => [settingsLine('mail', 'mail', { host: value.host }, `Mail by ${value.host}.`)],
    write(tx, value) {
      if (value.host === 'wrong') throw new AppError('invalid', 'MAIL_WRONG', 'wrong');
      mail.write(tx, value);
    },
    applied: () => void applied.push('mail'),
  });
  const file = (parts: BoxSettingsFile['parts']): BoxSettingsFile => ({
    format: 'bascule-box-settings/1',
    appliance: 'beta',
    baseVersion: '0.9.0',
    madeAtMs: 1,
    withSecrets: true,
    parts,
  });
  const now = () => ({ way: way.read(store), mail: mail.read(store) });
  const end = (): void => {
    changes.close();
    test[Symbol.dispose]();
  };
  return { settings, store, changes, file, now, applied, [Symbol.dispose]: end };
}

describe('settings of the box', () => {
  it('are exported by part, with secrets only when asked', async () => {
    using test = bench();
    const { settings, file } = test;
    await settings.apply(file({ mail: { host: 'mail.example', password: 'secret' } }), testContext);
    const text = JSON.stringify(await settings.read({ withSecrets: false }));
    assert.doesNotMatch(text, /secret"/);
    assert.deepEqual(settings.parse(text).parts, { way: [], mail: { host: 'mail.example' } });
    assert.match(JSON.stringify(await settings.read({ withSecrets: true })), /"password":"secret"/);
  });

  it('are in the audit of the box when the site gets them with secrets', async () => {
    using test = bench();
    const { settings, store } = test;
    const given = () => readAudit(store, { limit: 9 }).filter(({ code }) => code === 'BOX_SECRETS_GIVEN').length;
    await settingsForSite({ settings, store, withSecrets: false });
    assert.equal(given(), 0);
    assert.equal(settings.parse(await settingsForSite({ settings, store, withSecrets: true })).withSecrets, true);
    assert.equal(given(), 1);
  });

  it('are described in words before anything changes: also what does not fit, and what is not known', async () => {
    using test = bench();
    const before = test.now();
    const { parts, unknown } = await test.settings.describe(test.file({ way: ['eth0', 'eth7'], future: {}, mail: { host: 3 } }));
    assert.deepEqual(
      parts.map(({ name, lines, mightCut }) => [name, lines.map(({ text, unfit }) => [text, unfit]), mightCut]),
      [
        [
          'way',
          [
            ['Adds eth0.', null],
            ['Adds eth7.', 'no such port'],
          ],
          true,
        ],
      ],
    );
    assert.deepEqual(unknown, ['future', 'mail']);
    assert.deepEqual(test.now(), before);
  });

  it('are imported without what does not fit, and what was left out', async () => {
    using test = bench();
    const { settings, file } = test;
    const wanted = file({ way: ['eth0', 'eth1', 'eth7'], mail: { host: 'mail.example' } });
    const choice = { leftOut: { way: ['way eth1'] } };
    await assert.rejects(settings.apply(wanted, testContext, choice), { code: 'CHANGE_MIGHT_CUT' });
    assert.deepEqual([test.now(), test.applied], [{ way: [], mail: { host: '' } }, []]);
    await settings.apply(wanted, testContext, { ...choice, acceptCut: true });
    assert.deepEqual([test.now(), test.applied], [{ way: ['eth0'], mail: { host: 'mail.example' } }, ['way', 'mail']]);
    assert.deepEqual(test.changes.pending()?.kinds, ['way']);
    await test.changes.undo(testContext);
    assert.deepEqual(test.now().way, []);
  });

  it('are imported by part', async () => {
    using test = bench();
    await test.settings.apply(test.file({ way: ['eth0'], mail: { host: 'mail.example' } }), testContext, { parts: ['mail'] });
    assert.deepEqual([test.now().way, test.changes.pending()], [[], null]);
  });

  it('change nothing at all when one part refuses', async () => {
    using test = bench();
    const wrong = test.file({ way: ['eth0'], mail: { host: 'wrong' } });
    await assert.rejects(test.settings.apply(wrong, testContext, { acceptCut: true }), { code: 'MAIL_WRONG' });
    assert.deepEqual([test.now(), test.applied, test.changes.pending()], [{ way: [], mail: { host: '' } }, [], null]);
  });

  for (const [name, text] of [
    ['nonsense', 'nonsense'],
    ['another format', '{"format":"bascule-box-settings/2","parts":{}}'],
    ['what is too long', `"${'x'.repeat(5 * 1024 * 1024)}"`],
  ] as const)
    it(`are not read from ${name}`, () => {
      using test = bench();
      assert.throws(() => test.settings.parse(text), { code: 'BOX_SETTINGS_UNREADABLE' });
    });
});
