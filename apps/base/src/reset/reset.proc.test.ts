/** A whole appliance is reset to factory defaults (B8, B207). */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ok } from '@bascule/protocol/api/common.ts';
import { erasureReportAnswer, resetState } from '@bascule/protocol/api/reset.ts';
import { ApiClient } from '../../../../packages/testkit/src/api-client.ts';
import { launchAppliance } from '../../../../packages/testkit/src/launch-appliance.ts';
import { waitUntil } from '../../../../packages/testkit/src/wait-until.ts';

const PASSWORD = 'nine green bottles on a wall';

test(
  'a reset asks for name and password, erases, and the appliance starts like a new one with a report',
  { timeout: 120_000 },
  async () => {
    await using appliance = await launchAppliance();
    const { paths, url, passwords } = appliance;
    const box = await ApiClient.pin(url, '/appliance/api');
    await box.takeOver(passwords.appliance, PASSWORD);
    const keys = ['account.key', join('tls', 'web.pem')].map((file) => join(paths.box, file));
    const before = keys.map((file) => readFileSync(file, 'latin1'));
    const { applianceName, refused } = await box.call('GET', 'status/reset', resetState);
    assert.equal(refused, null);
    const order = { applianceName, password: PASSWORD, keepBackups: false, shutDownAfter: false };
    await assert.rejects(box.call('POST', 'status/reset', ok, { ...order, applianceName: 'another' }), /RESET_NAME_WRONG/);
    await assert.rejects(box.call('POST', 'status/reset', ok, { ...order, password: 'wrong' }), /ACCOUNT_PASSWORD_WRONG/);
    const startedAs = await appliance.pid('base');
    await box.call('POST', 'status/reset', ok, order);
    await waitUntil('another base runs', async () => (await appliance.pid('base')) !== startedAs);
    const { firstPasswords } = await appliance.ready();
    assert.ok(
      firstPasswords?.appliance !== undefined && firstPasswords.login !== undefined,
      'new accounts, at the box and at the site',
    );
    assert.ok(
      keys.every((file, index) => existsSync(file) && readFileSync(file, 'latin1') !== before[index]),
      'new keys',
    );

    const fresh = await ApiClient.pin(url, '/appliance/api');
    const { report } = await fresh.call('GET', 'erasure-report', erasureReportAnswer);
    assert.deepEqual([report?.leftCount, report?.elsewhereCount, report?.interruptions], [0, 0, 0]);
    await assert.rejects(fresh.takeOver(passwords.appliance, PASSWORD));
    await fresh.takeOver(firstPasswords.appliance, PASSWORD);
    assert.equal((await fresh.call('GET', 'erasure-report', erasureReportAnswer)).report, null, 'until the first login');
  },
);
