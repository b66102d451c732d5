import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import { DEFAULT_TLS_SETTINGS, loginBanner, type TlsSettings } from '@bascule/protocol/api/security.ts';
import { openTestStore, testContext } from '@bascule/store/testing.ts';
import { Changes, changeMigrations, type Arrival } from '../changes/changes.ts';
import { isStricter } from './security-rules.ts';
import { Security } from './security.ts';

const log = createLog('test', 'silent');
const here: Arrival = { address: '::ffff:192.0.2.7', localAddress: '192.0.2.1', sinceMs: 0 };

function bench() {
  const test = openTestStore(changeMigrations);
  const { store } = test;
  const changes = new Changes({ store, log });
  const front: { minVersion: string; ciphers: string }[] = [];
  const banners: string[] = [];
  const security = new Security({
    store,
    changes,
    setTls: (options) => void front.push(options),
    setBanner: (text) => void banners.push(text),
    arrivalOf: () => here,
    log,
  });
  const keep = (): void => changes.confirm(testContext, { ...here, sinceMs: performance.now() });
  const end = (): void => {
    changes.close();
    test[Symbol.dispose]();
  };
  return { security, changes, front, banners, keep, [Symbol.dispose]: end };
}

describe('TLS with browsers', () => {
  it('is set at the start, and with each change at once', async () => {
    using test = bench();
    test.security.start();
    assert.equal(test.front[0]?.minVersion, 'TLSv1.2');
    assert.match(test.front[0]?.ciphers ?? '', /^TLS_AES_256_GCM_SHA384:.*ECDHE-RSA-AES128-GCM-SHA256$/);
    const only13: TlsSettings = { ...DEFAULT_TLS_SETTINGS, minVersion: 'TLSv1.3' };
    await assert.rejects(test.security.changeTls(testContext, only13, false), { code: 'CHANGE_MIGHT_CUT' });
    await test.security.changeTls(testContext, only13, true);
    assert.deepEqual(test.front[1], {
      minVersion: 'TLSv1.3',
      ciphers: 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256',
    });
    await test.changes.undo(testContext);
    assert.deepEqual(test.front[2], test.front[0]);
  });

  it('needs a cipher of each version', async () => {
    using test = bench();
    for (const over of [{ ciphers13: [] }, { ciphers12: [] }])
      await assert.rejects(test.security.changeTls(testContext, { ...DEFAULT_TLS_SETTINGS, ...over }, true), {
        code: 'TLS_CIPHERS_MISSING',
      });
    await test.security.changeTls(testContext, { ...DEFAULT_TLS_SETTINGS, minVersion: 'TLSv1.3', ciphers12: [] }, true);
  });

  it('is stricter when somebody could be left outside, and only then', () => {
    const all = DEFAULT_TLS_SETTINGS;
    const only13: TlsSettings = { ...all, minVersion: 'TLSv1.3' };
    const few: TlsSettings = { ...all, ciphers12: ['ECDHE-RSA-AES256-GCM-SHA384'] };
    assert.deepEqual(
      [isStricter(all, all), isStricter(all, only13), isStricter(only13, all), isStricter(all, few), isStricter(few, all)],
      [false, true, false, true, false],
    );
    // Nobody speaks TLS 1.2 here anyhow.
    assert.equal(isStricter(only13, { ...only13, ciphers12: [] }), false);
  });
});

describe('networks from which /appliance answers', () => {
  it('are everywhere at first; then those of the list, and the machine itself', async () => {
    using test = bench();
    const { security } = test;
    assert.equal(security.answers('203.0.113.1'), true);
    await security.changeNetworks(testContext, ['192.0.2.0/24', '2001:DB8::/32', '192.0.2.0/24'], true, here);
    test.keep();
    assert.deepEqual(security.settings().networks, ['192.0.2.0/24', '2001:db8::/32']);
    for (const [address, is] of [
      ['192.0.2.200', true],
      ['::ffff:192.0.2.200', true],
      ['192.0.3.1', false],
      ['2001:db8:1::1', true],
      ['2001:db9::1', false],
      ['127.0.0.1', true],
      ['::1', true],
      ['', false],
    ] as const)
      assert.equal(security.answers(address), is, address);
  });

  it('are provisional in any case, and refuse who would lock themselves out without knowing', async () => {
    using test = bench();
    const { security } = test;
    await assert.rejects(security.changeNetworks(testContext, ['192.0.2.0/24'], false, here), { code: 'CHANGE_MIGHT_CUT' });
    await assert.rejects(security.changeNetworks(testContext, ['203.0.113.0/24'], false, here), {
      code: 'NETWORKS_LOCK_YOU_OUT',
      params: { address: '192.0.2.7', seconds: 60 },
    });
    await security.changeNetworks(testContext, ['203.0.113.0/24'], true, here);
    assert.equal(security.answers(here.address), false);
    await test.changes.undo(testContext);
    assert.equal(security.answers(here.address), true);
    await assert.rejects(security.changeNetworks(testContext, ['192.0.2.7/24'], true, here), {
      code: 'SECURITY_NETWORK_INVALID',
      field: 'body.networks.0',
    });
  });

  it('are opened again without being asked twice', async () => {
    using test = bench();
    await test.security.changeNetworks(testContext, ['192.0.2.0/24'], true, here);
    test.keep();
    await test.security.changeNetworks(testContext, [], false, here);
    assert.deepEqual([test.security.answers('203.0.113.1'), test.changes.pending()], [true, null]);
  });
});

describe('the login banner and the rules', () => {
  it('hold at once', async () => {
    using test = bench();
    await test.security.changeBanner(testContext, ' Property of Example Ltd.\nUse is recorded. \n');
    assert.deepEqual(test.banners, ['Property of Example Ltd.\nUse is recorded.']);
    const rules = test.security.rules();
    await test.security.changeRules(testContext, { ...rules, secondFactorRequired: true });
    assert.equal(test.security.rules().secondFactorRequired, true);
  });

  it('a banner is text: no control characters, none that turn the direction, at most 2000', () => {
    const fits = (text: string): boolean => loginBanner.safeParse(text).success;
    assert.deepEqual(
      [fits('a\nb\tc <b>'), fits('\u001b[31m'), fits('a\u202eb'), fits('x'.repeat(2001))],
      [true, false, false, false],
    );
  });
});
