import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { EventEmitter } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { homePaths } from '@bascule/core/home.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { createHttpServer, routesOf, type HttpServer } from '@bascule/http/http-server.ts';
import { createLog } from '@bascule/log/log.ts';
import { updatesState, type Installation } from '@bascule/protocol/api/updates.ts';
import type { Principal } from '@bascule/http/principal.ts';
import type { InstallationEngine, InstallRequest } from './engine-contract.ts';
import { Slots } from './slots.ts';
import { Software } from './software.ts';
import { redeem, UpdatesFixture } from '../../test/updates-fixture.ts';

const PRINCIPAL: Principal = {
  id: 'box_1',
  name: 'eve',
  role: 'administrator',
  state: 'ok',
  csrf: 'csrf-token',
  loginSession: 'lgs_1',
} as unknown as Principal;

/** An engine that notes what it is asked. */
class NotingEngine extends EventEmitter implements InstallationEngine {
  readonly asked: string[] = [];
  readonly requests: InstallRequest[] = [];
  runs: Installation | undefined;
  resume(): void {}
  continueAfterStart(): void {}
  stop(): void {}
  install(request: InstallRequest): string {
    this.requests.push(request);
    return 'ins_1';
  }
  download({ target }: { target: string }): string {
    this.asked.push(`download ${target}`);
    return 'ins_2';
  }
  trial({ target }: { target: string }): string {
    this.asked.push(`trial ${target}`);
    return 'ins_3';
  }
  rollBack(kind: 'base' | 'site'): string {
    this.asked.push(`rollBack ${kind}`);
    return 'ins_4';
  }
  cancel(id: string): void {
    throw new AppError('conflict', 'INSTALLATION_NOT_RUNNING', `${id} does not run.`);
  }
  acknowledge(id: string): void {
    this.asked.push(`acknowledge ${id}`);
  }
  verifyAgain(): void {
    this.asked.push('verify');
  }
  running(): Installation | undefined {
    return this.runs;
  }
  rolledBack(): undefined {}
  lastInstalled(): undefined {}
  history(): Installation[] {
    return [];
  }
  logOf(id: string): string {
    return `log of ${id}\n`;
  }
  installed() {
    return (['base', 'site'] as const).map((kind) => ({
      kind,
      version: '0.1.0',
      revision: 'abc',
      installedAtMs: null,
      previousVersion: null,
      folder: '0.1.0-abc',
      licence: null,
    }));
  }
}

describe('routes of updates', () => {
  let fixture: UpdatesFixture;
  let engine: NotingEngine;
  let software: Software;
  let server: HttpServer;
  let url: string;
  const mails: unknown[] = [];

  before(async () => {
    fixture = await UpdatesFixture.open();
    engine = new NotingEngine();
    const paths = homePaths(fixture.directory);
    const host = {
      sitePreflight: () => Promise.reject(new AppError('unavailable', 'SITE_UNAVAILABLE', 'The site is starting.')),
      tellMain: () => undefined,
    };
    software = new Software(
      {
        store: fixture.store,
        paths,
        clock: fixture.clock,
        mailer: { tell: (event: unknown) => mails.push(event) },
        certificateNotAfterMs: () => fixture.nowMs + 90 * 24 * 60 * 60_000,
        publicUrl: 'https://appliance.example.net',
        processes: () => [],
        host,
        log: createLog('test', 'silent'),
      } as unknown as ConstructorParameters<typeof Software>[0],
      fixture.updates,
      engine,
      new Slots(paths),
    );
    server = await createHttpServer({
      prefix: '/appliance/api',
      cookieName: '__Host-bascule-box',
      accounts: {
        actorKind: 'box-administrator',
        authenticate: (cookie: string | undefined) => (cookie === 'eve' ? PRINCIPAL : undefined),
        noteAccessRefused: () => undefined,
      } as never,
      authorize: (principal, action) => ({ principal, action }),
      routes: software.routes(),
      log: createLog('test', 'silent'),
      hosts: () => ['127.0.0.1'],
      staticRoot: fixture.directory,
      pages: {},
    });
    url = await server.app.listen({ host: '127.0.0.1', port: 0 });
  });
  after(async () => {
    await server.close();
    await fixture[Symbol.asyncDispose]();
  });

  async function call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    const isBytes = body instanceof Uint8Array;
    const response = await fetch(`${url}/appliance/api/updates/${path}`, {
      method,
      headers: {
        cookie: '__Host-bascule-box=eve',
        'x-bascule-csrf': 'csrf-token',
        origin: url.replace('http:', 'https:'),
        ...(body !== undefined && { 'content-type': isBytes ? 'application/octet-stream' : 'application/json' }),
        ...headers,
      },
      body: isBytes ? Buffer.from(body) : body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    return {
      status: response.status,
      answer: (response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : text) as never,
    };
  }
  const code = ({ answer }: { answer: { error?: { code: string } } }) => answer.error?.code;

  it('all need an administrator', async () => {
    for (const { method, url: path } of routesOf(server)) {
      const answer = await fetch(`${url}${path.replace(':id', 'x')}`, {
        method,
        headers: { origin: url.replace('http:', 'https:') },
      });
      assert.equal(answer.status, 401, `${method} ${path}`);
    }
  });

  it('lead from the settings over trust and a check to an installation', async () => {
    const state = async () => updatesState.parse((await call('GET', 'state')).answer);
    const { settings } = await state();
    for (const serverUrl of ['ftp://x', 'https://ada:secret@x', 'https://x/?token=secret', 'file:///etc/passwd'])
      assert.equal((await call('PUT', 'settings', { ...settings, serverUrl })).status, 400, serverUrl);
    assert.equal((await call('PUT', 'settings', { ...settings, serverUrl: fixture.url })).status, 200);
    const found = (await call('POST', 'trust/fetch')).answer as { rootSha256: string };
    assert.equal((await call('POST', 'trust', { rootSha256: found.rootSha256 })).status, 200);
    assert.equal((await call('POST', 'check')).status, 202);
    while ((await state()).isChecking || (await state()).lastCheck === null) await new Promise(setImmediate);
    assert.deepEqual(
      (await state()).offers.map(({ state: offered }) => offered),
      ['installable', 'blocked', 'installed'],
    );
    const target = fixture.base;
    assert.equal(code((await call('POST', 'install', { target })) as never), 'EULA_NOT_ACCEPTED');
    const eula = (await call('GET', `eula?target=${encodeURIComponent(target)}`)).answer as { sha256: string };
    assert.equal((await call('POST', 'eula', { target, sha256: eula.sha256, name: 'Eve Example' })).status, 200);
    assert.deepEqual((await call('POST', 'install', { target, overrule: ['clock'] })).answer, { id: 'ins_1' });
    assert.deepEqual(engine.requests[0]?.overrule, ['clock']);
    assert.equal(engine.requests[0]?.by.actor.name, 'eve');
    assert.equal((await call('POST', 'install', { target: 'base/none.tar.zst' })).status, 404);
  });

  it('pass on to the engine', async () => {
    const { base } = fixture;
    await call('POST', 'download', { target: base });
    await call('POST', 'trial', { target: base });
    assert.deepEqual((await call('POST', 'roll-back', { kind: 'site' })).answer, { id: 'ins_4' });
    await call('POST', 'acknowledge', { id: 'ins_9' });
    await call('POST', 'verify');
    assert.deepEqual(engine.asked, [`download ${base}`, `trial ${base}`, 'rollBack site', 'acknowledge ins_9', 'verify']);
    assert.equal(code((await call('POST', 'cancel', { id: 'ins_1' })) as never), 'INSTALLATION_NOT_RUNNING');
    assert.equal((await call('GET', 'history/ins_1/log')).answer, 'log of ins_1\n');
    assert.deepEqual((await call('GET', 'history')).answer, { installations: [] });
  });

  it('run the preflight: what cannot be looked at is amber, a checkout red', async () => {
    const { answer } = await call('POST', 'preflight', { target: fixture.base });
    const { lines } = answer as { lines: { code: string; outcome: string }[] };
    const outcome = (wanted: string) => lines.find((line) => line.code === wanted)?.outcome;
    assert.deepEqual(
      ['requirements', 'disk-space', 'trust', 'certificate', 'database-integrity', 'slots', 'sessions'].map(outcome),
      ['green', 'green', 'green', 'green', 'amber', 'red', 'green'],
    );
  });

  it('take a file in pieces, and nothing but bytes', async () => {
    const { text } = (await call('POST', 'download-key')).answer as { text: string };
    const bytes = readFileSync(await redeem(fixture, text));
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const begun = (await call('POST', 'uploads', { name: 'a.bascule-update', totalBytes: bytes.length, sha256 })).answer as {
      id: string;
    };
    const put = (from: number, to: number) => call('PUT', `uploads/${begun.id}?from=${from}`, bytes.subarray(from, to));
    assert.deepEqual((await put(0, 100_000)).answer, { id: begun.id, receivedBytes: 100_000 });
    const wrong = await put(5, 10);
    assert.deepEqual([wrong.status, code(wrong as never)], [409, 'UPLOAD_OFFSET']);
    assert.equal(code((await call('PUT', `uploads/${begun.id}?from=100000`, { json: true })) as never), 'BODY_NOT_JSON');
    assert.equal(code((await call('POST', `uploads/${begun.id}/finish`)) as never), 'UPLOAD_INCOMPLETE');
    await put(100_000, bytes.length);
    assert.deepEqual((await call('POST', `uploads/${begun.id}/finish`)).answer, { targets: [fixture.base, fixture.site] });
    assert.equal((await call('DELETE', `uploads/${begun.id}`)).status, 404);
    assert.equal((await call('PUT', 'uploads/..%2Fbox.db?from=0', Buffer.from('x'))).status, 404);
  });

  it('unattended: installs in the window what was accepted, and tells once by mail what waits for a person', () => {
    const { updates } = fixture;
    const settings = updates.settings();
    const always = { isOn: true, days: [0, 1, 2, 3, 4, 5, 6], fromHour: 0, hours: 24 };
    engine.requests.length = 0;
    software.lookUnattended();
    assert.equal(engine.requests.length, 0);
    updates.changeSettings({ actor: { kind: 'system', id: null, name: 'x' }, address: '' }, { ...settings, unattended: always });
    software.lookUnattended();
    assert.deepEqual(
      engine.requests.map(({ target, by }) => [target, by.actor.name]),
      [[fixture.base, 'unattended installation']],
    );
    engine.requests.length = 0;
    fixture.installed = {
      packages: [
        { kind: 'base', version: '0.2.0' },
        { kind: 'site', version: '0.1.0' },
      ],
      runtimes: [],
    };
    updates.changed();
    software.lookUnattended();
    software.lookUnattended();
    assert.equal(engine.requests.length, 0);
    assert.deepEqual(
      mails.map((mail) => (mail as { kind: string }).kind),
      ['needs-attention'],
    );
  });

  it('name a package or an installation that is not here, on the command line', async () => {
    const verbs = software.controlVerbs();
    const install = async (): Promise<unknown> =>
      verbs['updates-install']({ kind: 'updates-install', target: 'foo', overrule: [] });
    await assert.rejects(install, {
      code: 'NOT_FOUND',
      message: 'There is no package foo here; npm run appliance -- updates names them.',
    });
    const look = async (): Promise<unknown> => verbs['updates-installation']({ kind: 'updates-installation', id: 'ins_nope' });
    await assert.rejects(look, { code: 'NOT_FOUND', message: /^There is no installation ins_nope; the history / });
  });
});
