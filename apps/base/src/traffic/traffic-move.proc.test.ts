import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import type { MailEvent } from '@bascule/mail/mail-texts.ts';
import { openTestStore, testContext } from '@bascule/store/testing.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { Changes, changeMigrations } from '../changes/changes.ts';
import { Addresses, HelperClient, networkMigrations } from '../network/network.ts';
import type { PairState } from '../site-host/site-host.ts';
import { holdUntil, MAIN_SILENCE_LIMIT_MS, SHARED_LIFE_MS, SWITCH_HOLD_LIMIT_MS } from './traffic-holder.ts';
import { Traffic } from './traffic.ts';

const HELPER = join(import.meta.dirname, '..', '..', '..', 'boot', 'src', 'helper.ts');
const log = createLog('test', 'silent');
const said = (over: Partial<PairState> = {}): PairState => ({
  kind: 'pair-state',
  role: 'primary',
  history: 'one',
  epoch: 4,
  serves: true,
  leaseLeftMs: null,
  mode: 'async',
  peer: { name: 'b', state: 'reachable' },
  lagChanges: 0,
  lagSeconds: 0,
  ...over,
});

describe('until when a shared address is held', () => {
  const at = (over: Partial<PairState>, heardMs: number, nowMs: number, isSwitching = false): number =>
    holdUntil(said(over), heardMs, nowMs, isSwitching);
  it('is what is left of the lease, from when it was said, and never more than one life', () => {
    assert.equal(at({ leaseLeftMs: 2_500 }, 10_000, 10_000), 12_500);
    assert.equal(at({ leaseLeftMs: 2_500 }, 10_000, 12_000), 12_500);
    assert.equal(at({ leaseLeftMs: 2_500 }, 10_000, 12_500), 0);
    assert.equal(at({ leaseLeftMs: 60_000 }, 10_000, 10_000), 10_000 + Math.min(SHARED_LIFE_MS, MAIN_SILENCE_LIMIT_MS));
  });
  it('ends with a main that is silent, that serves no more, or that never spoke', () => {
    assert.equal(at({}, 10_000, 10_000 + MAIN_SILENCE_LIMIT_MS), 0);
    assert.equal(at({ serves: false }, 10_000, 10_000), 0);
    assert.equal(holdUntil(undefined, 0, 10_000, false), 0);
  });
  it('goes on while base itself has main silent, but not beyond a lease', () => {
    assert.ok(at({}, 10_000, 10_000 + MAIN_SILENCE_LIMIT_MS, true) > 0);
    assert.equal(at({}, 10_000, 10_000 + SWITCH_HOLD_LIMIT_MS, true), 0);
    assert.equal(at({ leaseLeftMs: 3_000 }, 10_000, 13_000, true), 0);
  });
});

describe('a move of the traffic', { skip: process.getuid?.() === 0 ? false : 'needs root: hooks are run by root' }, () => {
  const home = mkdtempSync(join(tmpdir(), 'bascule-move-'));
  const socket = join(home, 'run', 'helper', 'helper.sock');
  const told = join(home, 'told');
  let helper: ChildProcess;

  before(async () => {
    chmodSync(home, 0o755);
    mkdirSync(join(home, 'run', 'helper'), { recursive: true });
    mkdirSync(join(home, 'hooks'));
    helper = spawn(process.execPath, [HELPER, '--socket', socket, '--gid', '0'], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    await once(helper, 'message');
  });
  after(() => {
    helper.kill('SIGKILL');
    rmSync(home, { recursive: true, force: true });
  });

  const writeHook = (script: string): void => {
    writeFileSync(join(home, 'hooks', 'nat'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    chmodSync(join(home, 'hooks', 'nat'), 0o755);
  };
  const tellings = (): string[] => (existsSync(told) ? readFileSync(told, 'utf8').trim().split('\n') : []);

  function bench(over: { sharedName?: string; addresses?: string[]; failedAfterMs?: number } = {}) {
    const test = openTestStore([...changeMigrations, ...networkMigrations]);
    const mails: MailEvent[] = [];
    const host = Object.assign(new EventEmitter<{ pairState: [PairState] }>(), {
      pairState: undefined as PairState | undefined,
      isSwitching: false,
      sitePreflight: () => Promise.reject(new Error('no site here')),
    });
    const client = new HelperClient(socket);
    rmSync(told, { force: true });
    const open = (): Traffic =>
      new Traffic({
        store: test.store,
        boxDirectory: join(home, 'box'),
        helper: client,
        host: host as unknown as ConstructorParameters<typeof Traffic>[0]['host'],
        network: new Addresses({
          store: test.store,
          helper: client,
          changes: new Changes({ store: test.store, log }),
          log,
        }),
        applianceName: 'a',
        sharedName: over.sharedName ?? 'app.pra.test',
        port: 1,
        listensOn: undefined,
        browsers: () => 3,
        localAddressOf: () => '',
        mailer: { tell: (event) => void mails.push(event) },
        page: 'https://a/',
        log,
        failedAfterMs: over.failedAfterMs ?? 0,
        resolver: { resolve4: () => Promise.resolve(over.addresses ?? []), resolve6: () => Promise.reject(new Error('none')) },
      });
    const traffic = open();
    const say = (state: PairState): void => {
      host.pairState = state;
      host.emit('pairState', state);
    };
    return { ...test, traffic, open, say, mails, [Symbol.dispose]: () => test[Symbol.dispose]() };
  }
  const outcome = async (traffic: Traffic): Promise<string> => {
    const { lastMove } = await traffic.state();
    return `${lastMove?.to} ${lastMove?.outcome}`;
  };

  it('runs the hook once for an epoch, also over restarts of base, and tells it when the right to serve goes', async () => {
    using test = bench();
    const { traffic, open, say } = test;
    writeHook(`echo $1 >> ${told}; echo turned`);
    traffic.change(testContext, { way: 'nat', dns: null, natHook: 'nat' });
    assert.deepEqual((await traffic.state()).hooks, ['nat']);
    assert.throws(() => traffic.moveAgain(testContext), { code: 'TRAFFIC_NOT_SERVING' });
    traffic.start();
    for (let times = 0; times < 3; times++) say(said());
    await waitUntil('it is done', async () => (await outcome(traffic)) === 'here done');
    assert.match((await traffic.state()).lastMove?.text ?? '', /turned/);
    await traffic.close();
    const later = open();
    later.start();
    say(said());
    assert.deepEqual([(await later.state()).holds, tellings()], [true, ['here']]);
    say(said({ serves: false, role: 'backup', epoch: 5 }));
    await waitUntil('it is let go', async () => (await outcome(later)) === 'away done');
    assert.deepEqual([(await later.state()).holds, tellings()], [false, ['here', 'away']]);
    say(said({ epoch: 6 }));
    await waitUntil('it is back', async () => (await outcome(later)) === 'here done');
    later.moveAgain(testContext);
    await waitUntil('it is done once more', () => tellings().length === 4);
    await later.close();
  });

  it('that fails says so, by mail and in the header, and is tried on until it succeeds', async () => {
    using test = bench();
    const { traffic, say, mails } = test;
    writeHook('echo router says no >&2; exit 1');
    traffic.change(testContext, { way: 'nat', dns: null, natHook: 'nat' });
    traffic.start();
    say(said());
    await waitUntil('it has failed', async () => (await outcome(traffic)) === 'here failed');
    assert.match((await traffic.state()).lastMove?.text ?? '', /router says no/);
    assert.deepEqual([traffic.header().trafficFailed, traffic.header().role, mails.length], [true, 'primary', 1]);
    writeHook('true');
    await waitUntil('it is done', async () => (await outcome(traffic)) === 'here done');
    assert.deepEqual([traffic.header().trafficFailed, mails.length], [false, 1]);
    await traffic.close();
  });

  it('by hand: people are told, and what the name leads to is watched', async () => {
    using test = bench({ addresses: ['127.0.0.1'] });
    const { traffic, say, mails } = test;
    traffic.change(testContext, { way: 'checklist', dns: null, natHook: null });
    traffic.start();
    say(said());
    await waitUntil('people are told', () => mails.length === 1);
    assert.equal(await outcome(traffic), 'here running');
    assert.match((await traffic.state()).lastMove?.text ?? '', /app\.pra\.test leads to 127\.0\.0\.1 \(nobody answers\)/);
    assert.deepEqual((await traffic.state()).resolution, [{ address: '127.0.0.1', answersAs: null, isHere: false }]);
    await traffic.close();
  });

  it('keeps its secret to itself, and refuses settings that cannot work', async () => {
    using test = bench();
    const { traffic, store } = test;
    const dns = {
      server: '127.0.0.1',
      port: 53,
      zone: 'pra.test',
      name: 'app.pra.test',
      address: '192.0.2.1',
      ttlSeconds: 30,
      keyName: 'upd',
      algorithm: 'hmac-sha256',
    } as const;
    const secret = Buffer.from('a secret of thirty-two bytes, no');
    for (const [change, code] of [
      [{ way: 'dns', dns, natHook: null }, 'TRAFFIC_DNS_MISSING'],
      [{ way: 'dns', dns: { ...dns, name: 'a b' }, natHook: null, dnsSecret: secret.toString('base64') }, 'DNS_NAME_INVALID'],
      [{ way: 'dns', dns, natHook: null, dnsSecret: 'YQ==' }, 'TRAFFIC_SECRET_SHORT'],
      [{ way: 'nat', dns: null, natHook: null }, 'TRAFFIC_HOOK_MISSING'],
    ] as const)
      assert.throws(() => traffic.change(testContext, change), { code });
    traffic.change(testContext, { way: 'dns', dns, natHook: null, dnsSecret: secret.toString('base64') });
    const { settings } = await traffic.state();
    assert.deepEqual([settings.dnsSecretSet, settings.way, JSON.stringify(settings).includes('secret of')], [true, 'dns', false]);
    const wrapped = store.get<{ wrapped: Uint8Array }>('SELECT wrapped FROM traffic_secret')!.wrapped;
    assert.equal(Buffer.from(wrapped).includes(secret), false);
    // Another save without a secret leaves it.
    traffic.change(testContext, { way: 'dns', dns, natHook: null });
    assert.equal((await traffic.state()).settings.dnsSecretSet, true);
    await traffic.close();
  });
});
