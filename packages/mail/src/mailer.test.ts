import assert from 'node:assert/strict';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { openKeyWrap } from '@bascule/accounts/key-wrap.ts';
import { createLog } from '@bascule/log/log.ts';
import { LANGUAGES } from '@bascule/protocol/api/common.ts';
import type { ChangeMailSettings } from '@bascule/protocol/api/updates.ts';
import { openTestStore, testContext } from '@bascule/store/testing.ts';
import { mailText, type MailEvent } from './mail-texts.ts';
import {
  KEEP_TRYING_MS,
  Mailer,
  mailMigrations,
  QUEUE_MAX_MESSAGES,
  RETRY_FIRST_MS,
  RETRY_MAX_MS,
  retryWaitMs,
} from './mailer.ts';
import { freePort } from './testing.ts';

const SETTINGS: ChangeMailSettings = {
  isOn: true,
  host: '127.0.0.1',
  port: 25,
  security: 'none',
  certificateSha256: '',
  account: '',
  from: 'bascule@example.org',
  recipients: ['ada@example.org', 'bob@example.org'],
  language: 'en',
};

function openTestMailer() {
  const clock = { nowMs: Date.UTC(2026, 0, 1) };
  const { store, directory, ...opened } = openTestStore(mailMigrations, { now: () => clock.nowMs });
  const options = {
    store,
    keyWrap: openKeyWrap(join(directory, 'key')),
    log: createLog('test', 'silent'),
    now: () => clock.nowMs,
    sender: 'Test',
  };
  const again = (keyFile = 'key') => new Mailer({ ...options, keyWrap: openKeyWrap(join(directory, keyFile)) });
  return { mailer: new Mailer(options), store, clock, again, ...opened };
}

/** A server that answers each line by `answer`; undefined: not at all. */
async function fakeServer(answer: (line: string) => string | undefined, greeting: string | undefined = '220 test') {
  const sockets = new Set<Socket>();
  const lines: string[] = [];
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    if (greeting !== undefined) socket.write(`${greeting}\r\n`);
    let isData = false;
    socket.on('data', (bytes) => {
      for (const line of bytes.toString().split('\r\n').slice(0, -1)) {
        if (isData && line !== '.') continue;
        isData = line === 'DATA';
        lines.push(line);
        const text = answer(line);
        if (text !== undefined) socket.write(`${text}\r\n`);
      }
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    server,
    lines,
    port: (server.address() as AddressInfo).port,
    [Symbol.dispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

test('what cannot work is refused with the field that is wrong', () => {
  using opened = openTestMailer();
  const refused = (changes: Partial<ChangeMailSettings>, code: string, field: string) =>
    assert.throws(() => opened.mailer.change(testContext, { ...SETTINGS, ...changes }), { code, field: `body.${field}` });
  refused({ host: '' }, 'MAIL_HOST_MISSING', 'host');
  refused({ recipients: [] }, 'MAIL_RECIPIENTS_MISSING', 'recipients');
  refused({ from: 'somebody' }, 'MAIL_FROM_INVALID', 'from');
  refused({ password: 'x' }, 'MAIL_ACCOUNT_MISSING', 'account');
  assert.equal(opened.mailer.settings().settings.isOn, false);
});

test('the stored password follows to no other server, account or weaker protection', () => {
  using opened = openTestMailer();
  const stored = { ...SETTINGS, security: 'starttls' as const, account: 'box' };
  opened.mailer.change(testContext, { ...stored, password: 'secret' });
  for (const change of [
    { host: 'elsewhere.test' },
    { port: 26 },
    { security: 'none' as const },
    { account: 'other' },
    { certificateSha256: 'ab'.repeat(32) },
  ])
    assert.throws(() => opened.mailer.change(testContext, { ...stored, ...change }), { code: 'MAIL_PASSWORD_NEEDED' });
  opened.mailer.change(testContext, { ...stored, recipients: ['eve@example.org'] });
  assert.equal(opened.mailer.settings().settings.hasPassword, true);
  opened.mailer.change(testContext, { ...stored, account: '', password: '' });
  assert.equal(opened.mailer.settings().settings.hasPassword, false);
  const audit = opened.store
    .all<{ summary: string }>('SELECT summary FROM audit_event')
    .map((row) => row.summary)
    .join('\n');
  assert.ok(audit.includes('password set') && !audit.includes('secret'));
});

test('nothing is queued while mail is off, and switching it off empties the queue', () => {
  using opened = openTestMailer();
  opened.mailer.send({ subject: 'a', text: 'b' });
  assert.equal(opened.mailer.settings().waiting, 0);
  opened.mailer.change(testContext, SETTINGS);
  opened.mailer.send({ subject: 'a', text: 'b' });
  assert.equal(opened.mailer.settings().waiting, 2);
  opened.mailer.change(testContext, { ...SETTINGS, isOn: false });
  assert.equal(opened.mailer.settings().waiting, 0);
});

test('a full queue takes no more and says so', () => {
  using opened = openTestMailer();
  opened.mailer.change(testContext, SETTINGS);
  const recipients = Array.from({ length: QUEUE_MAX_MESSAGES + 1 }, (_, index) => `r${index}@example.org`);
  opened.mailer.send({ subject: 'many', text: 'text', recipients });
  assert.equal(opened.mailer.settings().waiting, QUEUE_MAX_MESSAGES);
  assert.match(opened.mailer.settings().lastFailure?.message ?? '', /were? waiting|are waiting/);
});

test('waits grow up to their limit, and a mail is dropped after a day; a new process goes on where the old one stopped', async () => {
  using opened = openTestMailer();
  assert.deepEqual([1, 2, 3, 20].map(retryWaitMs), [RETRY_FIRST_MS, 2 * RETRY_FIRST_MS, 4 * RETRY_FIRST_MS, RETRY_MAX_MS]);
  opened.mailer.change(testContext, { ...SETTINGS, port: await freePort(), recipients: ['ada@example.org'] });
  opened.mailer.send({ subject: 'Nobody listens', text: 'text' });
  await opened.mailer.deliverDue();
  await opened.mailer.deliverDue();
  assert.equal(opened.mailer.settings().lastFailure?.attempts, 1, 'it is not tried again before the wait is over');
  opened.clock.nowMs += RETRY_FIRST_MS;
  const later = opened.again();
  await later.deliverDue();
  assert.equal(later.settings().lastFailure?.attempts, 2);
  opened.clock.nowMs += KEEP_TRYING_MS;
  await later.deliverDue();
  const { waiting, lastFailure } = later.settings();
  assert.deepEqual([waiting, lastFailure?.attempts], [0, 3]);
  assert.match(lastFailure?.message ?? '', /ada@example\.org: No mail server answers at \S+:\d+ \(ECONNREFUSED\)\.$/);
});

test('when the server is at fault, all that is due waits, and one connection is tried', async () => {
  using opened = openTestMailer();
  using server = await fakeServer(() => '421 4.3.2 closed for maintenance');
  opened.mailer.change(testContext, { ...SETTINGS, port: server.port });
  opened.mailer.send({ subject: 'a', text: 'b' });
  await opened.mailer.deliverDue();
  assert.equal(server.lines.filter((line) => line.startsWith('EHLO')).length, 1);
  assert.equal(opened.mailer.settings().waiting, 2);
  assert.match(opened.mailer.settings().lastFailure?.message ?? '', /421 4\.3\.2 closed for maintenance/);
});

test('a mail that is refused for now is tried again, one refused for good is not', async () => {
  using opened = openTestMailer();
  using server = await fakeServer((line) =>
    line.startsWith('RCPT TO:<ada') ? '450 4.2.1 later' : line.startsWith('RCPT TO:<bob') ? '550 5.1.1 nobody here' : '250 ok',
  );
  opened.mailer.change(testContext, { ...SETTINGS, port: server.port });
  opened.mailer.send({ subject: 'a', text: 'b' });
  await opened.mailer.deliverDue();
  assert.equal(opened.mailer.settings().waiting, 1);
  assert.equal(opened.store.get<{ recipient: string }>('SELECT recipient FROM mail_message')?.recipient, 'ada@example.org');
});

test('a password that the key of this installation does not open is told, and nothing is sent', async () => {
  using opened = openTestMailer();
  using server = await fakeServer(() => '250 ok');
  opened.mailer.change(testContext, { ...SETTINGS, port: server.port, account: 'box', password: 'secret' });
  const restored = opened.again('another-key');
  restored.send({ subject: 'a', text: 'b' });
  await restored.deliverDue();
  assert.match(restored.settings().lastFailure?.message ?? '', /password does not open with the key/);
  await assert.rejects(restored.test(testContext), { code: 'MAIL_FAILED', message: /save it again/ });
  assert.deepEqual(server.lines, []);
});

test('settings that change while a mail is under way count at once', { timeout: 10_000 }, async () => {
  using opened = openTestMailer();
  using silent = await fakeServer(() => undefined, undefined);
  using server = await fakeServer((line) => (line === 'DATA' ? '354 go on' : '250 ok'));
  opened.mailer.change(testContext, { ...SETTINGS, port: silent.port, recipients: ['ada@example.org'] });
  opened.mailer.send({ subject: 'a', text: 'b' });
  const connected = once(silent.server, 'connection');
  const delivered = opened.mailer.deliverDue();
  const [socket] = (await connected) as [Socket];
  opened.mailer.change(testContext, { ...SETTINGS, port: server.port, recipients: ['ada@example.org'] });
  socket.destroy();
  await delivered;
  const { waiting, lastFailure, lastSent } = opened.mailer.settings();
  assert.deepEqual([waiting, lastFailure, lastSent?.subject], [0, null, 'a']);
});

test('a server that says nothing keeps nobody from closing', { timeout: 10_000 }, async () => {
  using opened = openTestMailer();
  using server = await fakeServer(() => undefined, undefined);
  opened.mailer.change(testContext, { ...SETTINGS, port: server.port });
  opened.mailer.send({ subject: 'a', text: 'b' });
  const connected = once(server.server, 'connection');
  opened.mailer.start();
  await connected;
  await opened.mailer.close();
  assert.equal(opened.mailer.settings().waiting, 2);
});

test('every text exists in every language and leaves nothing out', () => {
  const about = { package: 'site', version: '0.2.0', fromVersion: '0.1.0', page: 'https://update.test/' } as const;
  const failure = { step: 'migrate', cause: 'the disk is full', advice: 'make room' };
  const events: MailEvent[] = [
    { kind: 'installed', startedBy: 'ada', ...about },
    { kind: 'rolled-back', mayRetry: true, ...failure, ...about },
    { kind: 'failed', ...failure, ...about },
    { kind: 'needs-attention', what: 'the disk is full', advice: 'make room', page: about.page },
    {
      kind: 'upgrade-ready',
      appliance: 'Test',
      releases: [{ package: 'site', version: '0.2.0', isEmergency: true }],
      page: about.page,
    },
    { kind: 'test' },
  ];
  for (const language of LANGUAGES) {
    for (const event of events) {
      const { subject, text } = mailText(event, language, 'Test');
      assert.match(subject, /Test/);
      assert.doesNotMatch(`${subject}\n${text}`, /undefined|\bnull\b|\[object/);
      if ('cause' in event) assert.ok(text.includes(event.cause) && text.includes(event.advice) && text.includes(event.step));
      if ('version' in event) assert.ok(subject.includes('0.2.0'));
    }
  }
});
