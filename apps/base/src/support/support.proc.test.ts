/** The box's mail without any site: its settings, its queue over a restart of base, its routes. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import { SMTP_ACCOUNT, SMTP_PASSWORD, startSmtpServer } from '@bascule/mail/testing.ts';
import { Store } from '@bascule/store/store.ts';
import { testContext } from '@bascule/store/testing.ts';
import { boxMailRoutes, mailMigrations, openBoxMail } from './support.ts';

const log = createLog('test', 'silent');

test('base sends by itself, and what it could not send before it was restarted', { timeout: 20_000 }, async () => {
  const box = mkdtempSync(join(tmpdir(), 'bascule-box-mail-'));
  const open = () => Store.open({ path: join(box, 'box.db'), migrations: mailMigrations, appliance: 'Basteldorf', log });
  let server = await startSmtpServer();
  const { starttlsPort, tlsPort, plainPort } = server;
  const settings = {
    isOn: true,
    host: '127.0.0.1',
    port: starttlsPort,
    security: 'starttls' as const,
    certificateSha256: server.certificateSha256,
    account: SMTP_ACCOUNT,
    password: SMTP_PASSWORD,
    from: 'bascule@example.org',
    recipients: ['ada@example.org'],
    language: 'en' as const,
  };
  const about = { package: 'site' as const, version: '0.2.0', fromVersion: '0.1.0', page: 'https://appliance.test/appliance' };
  try {
    const store = open();
    const mailer = openBoxMail(store, box, log, 'Basteldorf');
    mailer.change(testContext, settings);
    mailer.tell({ kind: 'installed', startedBy: 'ada', ...about });
    assert.match((await server.received(1))[0] ?? '', /^Subject: Basteldorf: site 0\.2\.0 is installed\r?$/m);
    await server.stop();
    mailer.tell({
      kind: 'rolled-back',
      step: 'migrate',
      cause: 'the disk is full',
      advice: 'Make room.',
      mayRetry: true,
      ...about,
    });
    await mailer.deliverDue();
    await mailer.close();
    store.close();

    server = await startSmtpServer({ starttlsPort, tlsPort, plainPort });
    const again = open();
    const later = openBoxMail(again, box, log, 'Basteldorf');
    assert.equal(later.settings().waiting, 1);
    later.change(testContext, { ...settings, certificateSha256: server.certificateSha256 });
    assert.match((await server.received(1))[0] ?? '', /Cause: the disk is full/);
    await later.close();
    again.close();
  } finally {
    await server.stop();
    rmSync(box, { recursive: true, force: true });
  }
});

test('reading and changing are asked of policy apart', () => {
  const box = mkdtempSync(join(tmpdir(), 'bascule-box-mail-'));
  const store = Store.open({ path: join(box, 'box.db'), migrations: mailMigrations, appliance: 'Basteldorf', log });
  try {
    const routes = boxMailRoutes(openBoxMail(store, box, log)).map(({ method, url, action }) => `${method} ${url} ${action}`);
    assert.deepEqual(routes, [
      'GET /support/email box.email.read',
      'PUT /support/email box.email.change',
      'POST /support/email/test box.email.change',
    ]);
  } finally {
    store.close();
    rmSync(box, { recursive: true, force: true });
  }
});
