/** Syslog against Debian's rsyslog with gtls. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import type { SyslogDestinationChange } from '@bascule/protocol/api/syslog.ts';
import { defineAuditEvent, readAudit } from '@bascule/store/audit.ts';
import { openTestStore, testContext } from '@bascule/store/testing.ts';
import { syslogMigrations, Syslog } from './syslog.ts';
import { makeAuthority, Rsyslog, type TestAuthority } from './testing.ts';

const happened = defineAuditEvent<{ what: string }>('SYSLOG_TEST_HAPPENED', 'It happened: {what}');
const log = createLog('test', 'silent');
const NO_SITE = { position: { epoch: 0, sequence: 0 }, events: [], head: null };

describe('syslog', { concurrency: true }, () => {
  let directory: string;
  let authority: TestAuthority;
  let client: { certificate: string; key: string };
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'bascule-syslog-'));
    authority = makeAuthority(directory);
    client = authority.issue('appliance');
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  const destinationOf = (server: Rsyslog, more: Partial<SyslogDestinationChange> = {}): SyslogDestinationChange => ({
    isOn: true,
    host: 'localhost',
    port: server.port,
    caPem: authority.caPem,
    clientCertificatePem: client.certificate,
    clientKeyPem: client.key,
    sources: ['box-audit', 'site-audit', 'alarms', 'heads'],
    ...more,
  });

  test('audit, alarms and signed heads arrive whole, also over a restart of the server and of base; nothing is missing', async () => {
    await using server = await Rsyslog.start(authority, { wantsClient: true });
    using opened = openTestStore(syslogMigrations);
    const { store } = opened;
    let siteSequence = 0;
    const siteAsked: (number | undefined)[] = [];
    const open = () =>
      new Syslog({
        store,
        boxDirectory: opened.directory,
        applianceName: 'Basteldorf 1',
        siteAudit: (position) => {
          siteAsked.push(position?.sequence);
          if (position === null || position.sequence >= siteSequence)
            return Promise.resolve({ position: { epoch: 1, sequence: siteSequence }, events: [], head: null });
          const sequence = position.sequence + 1;
          const event = {
            id: `e${sequence}`,
            appliance: 'b',
            epoch: 1,
            sequence,
            atMs: 5,
            code: 'SITE_EVENT',
            actorKind: 'user',
          };
          const rest = { actorName: 'ada', address: '::1', summary: `site ${sequence}`, hash: 'h' };
          const head = { atMs: sequence, statement: '{"format":"bascule-head/1"}', signature: 'c2ln' };
          return Promise.resolve({ position: { epoch: 1, sequence }, events: [{ ...event, ...rest }], head });
        },
        log,
      });
    let syslog = open();
    await using end = new AsyncDisposableStack();
    end.defer(() => syslog.close());
    syslog.start();
    await syslog.change(testContext, { destinations: [destinationOf(server)] });
    const note = (what: string) => store.transact(testContext, happened({ what }), () => undefined);
    const texts = (lines: Record<string, string>[]) => lines.map(({ msg = '' }) => msg.trim());
    note('first "quoted" ] and ünicode\nline');
    syslog.addAlarm({ code: 'disk-low', raisedAtMs: 1, text: 'Only 1 % is free.' });
    const [first] = (await server.receives((lines) => texts(lines).some((text) => text.includes('ünicode')))).filter(
      ({ MSGID }) => MSGID === 'SYSLOG_TEST_HAPPENED',
    );
    assert.deepEqual(
      [first?.['HOSTNAME'], first?.['APP-NAME'], first?.['PROCID'], first?.['PRI']],
      ['Basteldorf-1', 'bascule', 'box', '85'],
    );
    assert.match(
      first?.['structured-data'] ?? '',
      /^\[bascule@32473 code="SYSLOG_TEST_HAPPENED" id="aud_.*hash="[0-9a-f]{64}"\]$/,
    );
    assert.match(first?.['msg'] ?? '', /It happened: first "quoted" \] and ünicode line$/);
    await server.receives(
      (lines) => texts(lines).includes('Only 1 % is free.') && lines.some(({ MSGID }) => MSGID === 'AUDIT_HEAD'),
    );

    await server.stop();
    note('while the server is away');
    await syslog.close();
    note('while base is away');
    siteSequence = 3;
    syslog = open();
    syslog.start();
    note('after');
    await server.restart();
    const lines = await server.receives(
      (all) =>
        ['It happened: after', 'site 3'].every((text) => texts(all).includes(text)) &&
        texts(all).includes('{"format":"bascule-head/1"}'),
    );
    for (const what of ['while the server is away', 'while base is away'])
      assert.ok(texts(lines).includes(`It happened: ${what}`), what);
    assert.deepEqual(
      [1, 2, 3].map((number) => texts(lines).includes(`site ${number}`)),
      [true, true, true],
    );
    assert.ok(lines.some(({ 'structured-data': data = '' }) => data.includes('chain="site" signature="c2ln"')));
    const [state] = syslog.state().destinations;
    assert.deepEqual([state?.state, state?.error, state?.dropped, state?.hasClientKey], ['connected', null, 0, true]);
    await syslog.close();
  });

  test('says in words what is wrong with a server', async () => {
    await using server = await Rsyslog.start(authority, { wantsClient: true });
    using opened = openTestStore(syslogMigrations);
    const options = { store: opened.store, boxDirectory: opened.directory, applianceName: 'b', log };
    const syslog = new Syslog({ ...options, siteAudit: () => Promise.resolve(NO_SITE) });
    await using end = new AsyncDisposableStack();
    end.defer(() => syslog.close());
    const tried = async (more: Partial<SyslogDestinationChange>) => {
      await syslog.change(testContext, { destinations: [destinationOf(server, { isOn: false, ...more })] });
      return await syslog.test(testContext, syslog.state().destinations[0]?.id ?? '');
    };
    assert.deepEqual(await tried({}), {
      ok: true,
      text: 'The server took the test message.',
      protocol: 'TLSv1.3',
      issuedTo: 'logs',
    });
    assert.match((await tried({ caPem: null })).text, /authority that is not trusted here/);
    assert.match((await tried({ clientCertificatePem: null, clientKeyPem: undefined })).text, /certificate|ended the connection/);
    assert.match((await tried({ host: '127.0.0.1', port: 1 })).text, /refuses connections/);
    await server.receives((lines) => lines.some(({ MSGID }) => MSGID === 'SYSLOG_TEST'));
    await syslog.close();
  });

  test('servers are exported with their keys, or without, and imported on another box', async () => {
    using here = openTestStore(syslogMigrations);
    using there = openTestStore(syslogMigrations);
    const open = ({ store, directory }: typeof here) =>
      new Syslog({ store, boxDirectory: directory, applianceName: 'b', siteAudit: () => Promise.resolve(NO_SITE), log });
    const [one, other] = [open(here), open(there)];
    const wanted = { isOn: false, host: 'logs.example.org', port: 6514, caPem: null, sources: ['alarms' as const] };
    const withKey = { ...wanted, clientCertificatePem: client.certificate, clientKeyPem: client.key };
    await one.change(testContext, { destinations: [withKey, { ...wanted, host: '192.0.2.7', clientCertificatePem: null }] });
    const part = other.settingsPart();
    const bare = await one.settingsPart().read(false);
    assert.ok(!JSON.stringify(bare).includes('PRIVATE KEY'));
    assert.deepEqual(
      (await part.describe(bare)).map(({ key, unfit }) => [key, unfit !== null]),
      [
        ['server logs.example.org:6514', true],
        ['server 192.0.2.7:6514', false],
      ],
    );
    const whole = await one.settingsPart().read(true);
    there.store.transact(testContext, happened({ what: 'import' }), (tx) => part.write(tx, whole, () => false));
    await part.applied();
    assert.deepEqual(await part.read(true), whole);
    assert.deepEqual([await part.describe(whole), await part.describe(bare)], [[], []], 'nothing would change; the key is here');
    await one.close();
    await other.close();
  });

  test('with no room the oldest messages go, which is counted and audited', async () => {
    await using server = await Rsyslog.start(authority, { wantsClient: false });
    using opened = openTestStore(syslogMigrations);
    const syslog = new Syslog({
      store: opened.store,
      boxDirectory: opened.directory,
      applianceName: 'b',
      siteAudit: () => Promise.resolve(NO_SITE),
      log,
      spoolLimits: { maxBytes: 20_000, segmentBytes: 4_000 },
    });
    await using end = new AsyncDisposableStack();
    end.defer(() => syslog.close());
    await server.stop();
    await syslog.change(testContext, {
      destinations: [destinationOf(server, { clientCertificatePem: null, clientKeyPem: undefined })],
    });
    for (let number = 0; number < 400; number += 1)
      syslog.addAlarm({ code: 'disk-low', raisedAtMs: 1, text: `alarm ${number} ${'x'.repeat(100)}` });
    const { dropped } = syslog.state().destinations[0]!;
    assert.ok(dropped > 100, `${dropped}`);
    assert.ok(syslog.state().spool.bytes < 25_000);
    assert.equal(syslog.droppedLately(), dropped);
    assert.ok(readAudit(opened.store, { limit: 9 }).some(({ code }) => code === 'SYSLOG_DROPPED'));
    await server.restart();
    const lines = await server.receives((all) => all.some(({ msg = '' }) => msg.includes('alarm 399')));
    assert.ok(!lines.some(({ msg = '' }) => msg.includes('alarm 0 ')));
    await syslog.close();
  });
});
