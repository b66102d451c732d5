/** Mail through a real server: Debian's aiosmtpd. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openKeyWrap } from '@bascule/accounts/key-wrap.ts';
import { createLog } from '@bascule/log/log.ts';
import type { ChangeMailSettings } from '@bascule/protocol/api/updates.ts';
import { openTestStore, testContext } from '@bascule/store/testing.ts';
import { Mailer, mailMigrations, RETRY_FIRST_MS } from './mailer.ts';
import { SMTP_ACCOUNT, SMTP_PASSWORD, startSmtpServer, type TestSmtpServer } from './testing.ts';

describe('mail through a real server', () => {
  let server: TestSmtpServer;
  before(async () => {
    server = await startSmtpServer();
  });
  after(() => server.stop());

  const settings = (changes: Partial<ChangeMailSettings> = {}): ChangeMailSettings => ({
    isOn: true,
    host: '127.0.0.1',
    port: server.starttlsPort,
    security: 'starttls',
    certificateSha256: server.certificateSha256,
    account: SMTP_ACCOUNT,
    password: SMTP_PASSWORD,
    from: 'bascule@example.org',
    recipients: ['ada@example.org'],
    language: 'de',
    ...changes,
  });

  /** A mailer with `changes` to the settings above; its clock stands until it is moved. */
  function open(changes: Partial<ChangeMailSettings> = {}) {
    const clock = { nowMs: Date.now() };
    const { store, path, directory, ...opened } = openTestStore(mailMigrations, { now: () => clock.nowMs });
    const lines: string[] = [];
    const log = createLog('test', 'debug', { write: (line) => void lines.push(line) });
    const mailer = new Mailer({
      store,
      keyWrap: openKeyWrap(join(directory, 'key')),
      log,
      now: () => clock.nowMs,
      sender: 'Basteldorf',
    });
    mailer.change(testContext, settings(changes));
    return { mailer, store, path, clock, lines, ...opened };
  }

  test('a test mail goes out with STARTTLS, a login and the pinned certificate, and the password is seen nowhere', async () => {
    using opened = open();
    const had = (await server.received(0)).length;
    await opened.mailer.test(testContext);
    const mail = (await server.received(had + 1))[had] ?? '';
    assert.match(mail, /^Subject: Test-Mail von Basteldorf\r?$/m);
    assert.match(mail, /^From: Bascule <bascule@example\.org>\r?$/m);
    assert.match(mail, /^Auto-Submitted: auto-generated\r?$/m);
    assert.equal(opened.mailer.settings().lastSent?.subject, 'Test-Mail von Basteldorf');
    assert.equal(opened.mailer.settings().settings.hasPassword, true);
    const kept = [
      JSON.stringify(opened.mailer.settings()),
      ...opened.lines,
      readFileSync(opened.path, 'latin1'),
      readFileSync(`${opened.path}-wal`, 'latin1'),
    ];
    for (const text of kept) assert.ok(!text.includes(SMTP_PASSWORD), 'the password in clear');
  });

  test('TLS from the first byte works with the pinned certificate', async () => {
    using opened = open({ port: server.tlsPort, security: 'tls' });
    const had = (await server.received(0)).length;
    await opened.mailer.test(testContext, 'bob@example.org');
    assert.match((await server.received(had + 1))[had] ?? '', /^To: bob@example\.org\r?$/m);
  });

  test('another certificate than the pinned one is refused before the login, and so is one that nobody vouches for', async () => {
    const loginsBefore = server.logins();
    using other = open({ certificateSha256: 'ab'.repeat(32) });
    await assert.rejects(other.mailer.test(testContext), {
      code: 'MAIL_FAILED',
      message: new RegExp(`pinned one; its SHA-256 is ${server.certificateSha256}`),
    });
    for (const security of ['starttls', 'tls'] as const) {
      using trusted = open({ certificateSha256: '', security, port: security === 'tls' ? server.tlsPort : server.starttlsPort });
      await assert.rejects(trusted.mailer.test(testContext), { code: 'MAIL_FAILED', message: /self-signed certificate/ });
    }
    assert.equal(server.logins(), loginsBefore);
  });

  test('a server without STARTTLS gets nothing when STARTTLS is wanted', async () => {
    using opened = open({ port: server.plainPort });
    await assert.rejects(opened.mailer.test(testContext), { code: 'MAIL_FAILED' });
    assert.equal(opened.mailer.settings().lastSent, null);
  });

  test("a wrong password is told in the server's own words", async () => {
    using opened = open({ password: 'wrong' });
    await assert.rejects(opened.mailer.test(testContext), { code: 'MAIL_FAILED', message: /535/ });
  });

  test('a recipient whom the server refuses is given up at once and shown; the others get their mail', async () => {
    using opened = open({ recipients: ['eve@example.org', 'ada@example.org'] });
    const had = (await server.received(0)).length;
    opened.mailer.tell({
      kind: 'needs-attention',
      what: 'The disk is nearly full.',
      advice: 'Make room.',
      page: 'https://appliance.test/appliance',
    });
    await opened.mailer.deliverDue();
    assert.match((await server.received(had + 1))[had] ?? '', /The disk is nearly full\./);
    const { waiting, lastFailure } = opened.mailer.settings();
    assert.equal(waiting, 0);
    assert.match(lastFailure?.message ?? '', /^eve@example\.org: 5\d\d/);
    opened.mailer.change(testContext, settings({ recipients: ['ada@example.org'] }));
    assert.equal(opened.mailer.settings().lastFailure, null);
  });

  test('a mail that is written while the server is away waits in its row and arrives when it is back', async () => {
    using opened = open();
    const { starttlsPort, tlsPort, plainPort } = server;
    await server.stop();
    opened.mailer.send({ subject: 'Written while away', text: 'text' });
    await opened.mailer.deliverDue();
    assert.equal(opened.mailer.settings().waiting, 1);
    assert.match(opened.mailer.settings().lastFailure?.message ?? '', /ECONNREFUSED/);
    server = await startSmtpServer({ starttlsPort, tlsPort, plainPort });
    opened.mailer.change(testContext, settings());
    await opened.mailer.deliverDue();
    assert.match((await server.received(1))[0] ?? '', /^Subject: Written while away\r?$/m);
    assert.deepEqual([opened.mailer.settings().waiting, opened.mailer.settings().lastFailure], [0, null]);
    opened.clock.nowMs += RETRY_FIRST_MS;
    await opened.mailer.deliverDue();
    assert.equal((await server.received(1)).length, 1);
  });
});
