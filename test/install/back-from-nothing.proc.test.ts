/**
 * The day on which something breaks: an appliance is backed up, its machine is destroyed, another one is installed from the Debian package, restored with its vault key, and
 * its agents and history are back (B184-B195; I4, I6).
 */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { z } from 'zod';
import { backupBegun, backups } from '@bascule/protocol/api/backup.ts';
import { jumpItems } from '@bascule/protocol/api/jump.ts';
import { restorationId, restoreState, restoreUpload, type RestoreState } from '@bascule/protocol/api/restore.ts';
import { vaultKeyState, vaultRestored } from '@bascule/protocol/api/vault.ts';
import { ApiClient } from '@bascule/testkit/api-client.ts';
import { prepareDebianRoot, whyNoDebianRoot } from '@bascule/testkit/debian-root.ts';
import { buildDebianPackage, InstalledAppliance } from '@bascule/testkit/installed-appliance.ts';
import { launchAppliance, type LaunchedAppliance } from '@bascule/testkit/launch-appliance.ts';
import { readRecording } from '@bascule/testkit/recorded-bytes.ts';
import { TypingSession } from '@bascule/testkit/typing-session.ts';
import { NEXT_VERSION, ReleaseShop, SITE_PASSWORD } from '@bascule/testkit/upgrade-scene.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';

/** The longest on a busy machine. */
const LIMIT_MS = 300_000;
const STEP_LIMIT_MS = 120_000;
const BOX_PASSWORD = 'a password of the box itself';
const BACKUP_PASSWORD = 'what only the operator knows';
const VAULT_PASSWORD = 'and this one is another';
const MAIL = {
  isOn: false,
  host: 'mail.example',
  port: 587,
  security: 'starttls',
  certificateSha256: '',
  account: 'bascule',
  from: 'bascule@example.org',
  recipients: ['ops@example.org'],
  language: 'en',
};

let problem = whyNoDebianRoot();
if (problem === undefined) {
  const made = await prepareDebianRoot();
  if ('problem' in made) problem = made.problem;
}

let shop: ReleaseShop;
let deb: string;
let old: LaunchedAppliance;

before(async () => {
  if (problem !== undefined) return;
  shop = await ReleaseShop.open();
  deb = await buildDebianPackage(shop, NEXT_VERSION);
});
after(async () => {
  await old?.[Symbol.asyncDispose]().catch(() => undefined);
  shop?.[Symbol.dispose]();
});

async function isOnline(site: ApiClient, name: string): Promise<boolean> {
  const { items } = await site.call('GET', 'jump/items', jumpItems);
  return items.some((item) => item.name === name && item.online);
}

/** The backup, read back from the appliance, and its vault key. */
async function backUp(site: ApiClient): Promise<{ name: string; file: Buffer; vaultKey: Buffer }> {
  const include = { history: true, files: true, recordings: true, boxSettings: true };
  const { id } = await site.call('POST', 'backups', backupBegun, { password: BACKUP_PASSWORD, include });
  const made = await waitUntil(
    'the backup was restored on trial',
    async () => {
      const found = (await site.call('GET', 'backups', backups)).backups.find((one) => one.id === id);
      assert.ok(found?.state !== 'failed', JSON.stringify(found?.problem));
      return found?.state === 'restorable' ? found : undefined;
    },
    STEP_LIMIT_MS,
  );
  const { body: file } = await site.send('GET', `backups/${id}/file`);
  assert.equal(hash('sha256', file), made.sha256);
  const { status, body: vaultKey } = await site.send('POST', 'vault-key/download', { password: VAULT_PASSWORD });
  assert.equal(status, 200);
  return { name: made.fileName, file, vaultKey };
}

async function restoreOn(box: ApiClient, { name, file }: { name: string; file: Buffer }): Promise<RestoreState> {
  const until = (what: string, wanted: (state: RestoreState) => boolean) =>
    waitUntil(
      what,
      async () => {
        const state = await box.call('GET', 'restore/state', restoreState);
        return wanted(state) ? state : undefined;
      },
      STEP_LIMIT_MS,
    );
  const { id: upload } = await box.call('POST', 'restore/uploads', restoreUpload, { name, totalBytes: file.length });
  await box.call('PUT', `restore/uploads/${upload}?from=0`, restoreUpload, file);
  await box.call('POST', 'restore/inspect', z.unknown(), { upload, password: BACKUP_PASSWORD });
  const looked = await until(
    'the backup was looked into',
    ({ inspection }) => inspection?.state === 'done' || inspection?.state === 'failed',
  );
  const preview = looked.inspection?.preview;
  assert.ok(preview, JSON.stringify(looked.inspection?.error));
  assert.deepEqual(
    [preview.contents.clients, preview.isSameSite, preview.vaultKey.state, preview.lostClients.count],
    [1, false, 'missing', 0],
  );
  const confirm = looked.applianceName;
  await box.call('POST', 'restore/start', restorationId, { upload, password: BACKUP_PASSWORD, confirm });
  return await until('the backup was restored', ({ running, last }) => running === null && last !== null);
}

test(
  'an appliance is destroyed, installed anew, and restored: agents, secrets and history are back',
  { skip: problem ?? false, timeout: LIMIT_MS },
  async () => {
    old = await launchAppliance({ clientsApart: true });
    const site = await ApiClient.pin(old.url);
    await site.takeOver(old.passwords.login, SITE_PASSWORD);
    const client = await old.startJumpClient({ name: 'far' });
    const typing = await TypingSession.start(site, await site.onlineItem('far'));
    await waitUntil('something was typed', () => typing.typedBytes > 50);
    const { session } = await typing.finish();
    const recorded = await readRecording(site, session);
    await site.call('PUT', 'settings/email', z.unknown(), { ...MAIL, password: 'of the mail server' });
    const kept = await backUp(site);

    await old.die();
    rmSync(old.home, { recursive: true, force: true });
    assert.equal(existsSync(old.home), false);

    await using appliance = await InstalledAppliance.install(deb, old.port);
    const box = await ApiClient.pin(appliance.url, '/appliance/api');
    await box.takeOver(appliance.passwords.appliance ?? '', BOX_PASSWORD);
    const { last } = await restoreOn(box, kept);
    assert.equal(last?.outcome, 'restored', `${JSON.stringify(last?.cause)}\n${appliance.logTail()}`);

    const restored = await ApiClient.pin(appliance.url);
    assert.equal(await restored.logIn('admin', SITE_PASSWORD), 'ok', 'the accounts of the backup apply');
    await waitUntil('the agent is back', () => isOnline(restored, 'far'), STEP_LIMIT_MS).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${client.log()}\n${appliance.logTail()}`);
    });
    const again = await readRecording(restored, session);
    assert.deepEqual(
      [again.complete, again.headSha256],
      [true, recorded.headSha256],
      'the recording is the same, to its last hash',
    );

    const without = await restored.call('GET', 'vault-key', vaultKeyState);
    assert.ok(without.unreadable > 0, 'without its vault key the password of the mail server cannot be read');
    const body = { file: kept.vaultKey.toString('base64'), password: VAULT_PASSWORD };
    const { state } = await restored.call('POST', 'vault-key/restore', vaultRestored, body);
    assert.equal(state.unreadable, 0);

    const report = await waitUntil(
      'all agents are back',
      async () => {
        const found = (await box.call('GET', 'restore/state', restoreState)).last?.report;
        return found?.clients.back === 1 ? found : undefined;
      },
      STEP_LIMIT_MS,
    );
    assert.deepEqual([report.clients.total, report.missingClients.names], [1, []]);

    const anew = await TypingSession.start(restored, await restored.onlineItem('far'));
    await waitUntil('keys arrive at the restored appliance', () => anew.typedBytes > 50);
    const outcome = await anew.finish();
    assert.deepEqual([outcome.isLost, outcome.bytesLost, outcome.isRecordingWhole], [false, 0, true]);
  },
);
