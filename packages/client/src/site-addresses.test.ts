import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import { ADMINISTRATOR, TestSite } from '../../../apps/site/src/jump/testing.ts';
import { jumpClientFace } from '../../../apps/jump-client/src/jump-client-face.ts';
import { ClientHome } from './client-home.ts';
import { ConnectedClient } from './connected-client.ts';
import { readOptions } from './options.ts';
import { runningProgram } from './running-program.ts';
import { leadsElsewhere, SiteAddresses } from './site-addresses.ts';
import { newHomeDirectory } from './testing.ts';

const OWN = { host: 'a.example', port: 443, proxy: undefined };
const TOLD = [
  { host: 'shared.example', port: 443 },
  { host: 'a.example', port: 443 },
  { host: 'b.example', port: 8443 },
];

test('the addresses are tried in turn, each once, and the next round begins where the site was last', () => {
  const addresses = new SiteAddresses(OWN, () => TOLD);
  assert.equal(addresses.text, 'shared.example:443');
  assert.deepEqual([addresses.failed(true), addresses.text], [true, 'a.example:443']);
  assert.deepEqual([addresses.failed(true), addresses.text], [true, 'b.example:8443']);
  assert.equal(addresses.accepted(), false, 'it was nowhere before');
  assert.deepEqual([addresses.failed(true), addresses.text], [true, 'shared.example:443']);
  assert.deepEqual([addresses.failed(true), addresses.text], [true, 'a.example:443']);
  assert.deepEqual([addresses.failed(true), addresses.text], [false, 'b.example:8443'], 'all were tried');
  addresses.failed(true);
  assert.equal(addresses.accepted(), true, 'it has moved');
  assert.equal(addresses.accepted(), false);
});

test('a refusal gives other addresses only when it says that the site is elsewhere', () => {
  const refused = { kind: 'refused', code: 'busy', message: '', retryAfterMs: 0 } as const;
  assert.ok(leadsElsewhere({ ...refused, elsewhere: true, addresses: TOLD }));
  assert.ok(!leadsElsewhere({ ...refused, addresses: TOLD }));
  assert.ok(!leadsElsewhere({ ...refused, elsewhere: false, addresses: TOLD }));
  assert.ok(!leadsElsewhere({ ...refused, elsewhere: true }));
});

test('a client with sessions does not wait long for an address, unless none of them answers in time', () => {
  let nowMs = 0;
  const addresses = new SiteAddresses(
    OWN,
    () => TOLD,
    () => nowMs,
  );
  const calm = addresses.dialLimitMs(false);
  assert.equal(addresses.dialLimitMs(true), 750);
  const round = (tookMs: number) => {
    nowMs += tookMs;
    for (const _address of TOLD) addresses.failed(true);
  };
  round(100);
  assert.equal(addresses.dialLimitMs(true), 750, 'all refused at once');
  const limits = [800, 1200, 1800].map((tookMs) => {
    round(tookMs);
    return addresses.dialLimitMs(true);
  });
  assert.deepEqual(limits, [1125, 1688, 2531]);
  for (let rounds = 0; rounds < 60; rounds++) round(9000);
  assert.equal(addresses.dialLimitMs(true), calm);
  addresses.accepted();
  assert.equal(addresses.dialLimitMs(true), 750);
});

test('an address where nobody answers rests while the others are tried, longer each time, and never for good', () => {
  let nowMs = 0;
  const addresses = new SiteAddresses(
    { ...OWN, host: 'shared.example' },
    () => TOLD,
    () => nowMs,
  );
  const dialled: Record<string, number[]> = {};
  /** Of the client's tries for a minute, each 20 ms after the one before: only `b.example` answers, and takes nobody. */
  while (nowMs < 60_000) {
    (dialled[addresses.text] ??= []).push(nowMs);
    nowMs += 20;
    if (!addresses.failed(addresses.text === 'b.example:8443')) nowMs += Math.max(100, addresses.restMs);
  }
  const [dead, alive] = [dialled['shared.example:443']!, dialled['b.example:8443']!];
  assert.ok(alive.length > 300, `the one that answers is asked as before: ${alive.length}`);
  const pauses = dead.slice(1).map((atMs, index) => atMs - dead[index]!);
  assert.ok(pauses[0]! >= 125 && pauses[0]! < 400, pauses.join());
  assert.ok(
    pauses.slice(4).every((pauseMs) => pauseMs >= 1000 && pauseMs < 2300),
    pauses.join(),
  );
  assert.ok(dialled['a.example:443']!.length < 70);
  addresses.accepted();
  for (const _address of TOLD) addresses.failed(false);
  assert.ok(addresses.restMs > 0 && addresses.restMs <= 250, 'it was taken since: from the beginning');
});

test('when nobody answers anywhere, the one that has rested longest is next', () => {
  let nowMs = 0;
  const addresses = new SiteAddresses(
    OWN,
    () => TOLD,
    () => nowMs,
  );
  const dials: string[] = [];
  for (let dial = 0; dial < 200; dial += 1) {
    dials.push(addresses.text);
    nowMs += 1;
    addresses.failed(false);
    nowMs += addresses.restMs;
  }
  assert.ok(nowMs > 200 * 400, `${nowMs} ms for 200 dials to three addresses`);
  for (const { host, port } of TOLD) assert.ok(dials.filter((text) => text === `${host}:${port}`).length > 50);
});

test('a client that was told of nothing dials what it was configured with; it never forgets that', () => {
  let told: typeof TOLD | undefined;
  const addresses = new SiteAddresses({ ...OWN, proxy: { host: 'p', port: 1, authorization: undefined } }, () => told);
  assert.deepEqual([addresses.areSeveral, addresses.dialLimitMs(true), addresses.failed(true)], [false, undefined, false]);
  assert.equal(addresses.now.proxy?.host, 'p');
  told = [{ host: 'elsewhere.example', port: 443 }];
  assert.deepEqual([addresses.areSeveral, addresses.failed(true), addresses.text], [true, true, 'elsewhere.example:443']);
  assert.deepEqual([addresses.failed(true), addresses.text], [false, 'a.example:443']);
});

let site: TestSite;
before(async () => (site = await TestSite.open()));
after(() => site.close());

/** A client program until it is connected; gives where. */
async function connectedTo(home: string, address: string, token: string[] = []): Promise<string> {
  const options = readOptions(['--site', address, '--home', home, ...token], {}, jumpClientFace);
  const opened = await ClientHome.open(home);
  const client = new ConnectedClient({
    options,
    face: jumpClientFace,
    about: runningProgram('jump-client'),
    home: opened,
    supervisor: undefined,
    log: createLog('test', 'silent'),
  });
  const running = client.run();
  try {
    for (let tries = 0; tries < 500 && !client.status().connected; tries++)
      await new Promise((resolve) => setTimeout(resolve, 20));
    return client.status().connected ? client.status().site : 'nowhere';
  } finally {
    await client.stop();
    await running;
    opened.close();
  }
}

test('an address that does not answer, one that refuses, and then the one that has the site', { timeout: 30_000 }, async () => {
  const home = newHomeDirectory();
  const { host, port } = site.target;
  const token = ['--token', site.token({ approveEach: true })];
  assert.equal(await connectedTo(home, `https://${host}:${port}`, token), `${host}:${port}`);
  const [item] = site.jump.items(undefined, () => true).items;
  if (item !== undefined) site.jump.approve(ADMINISTRATOR, item.id);
  // One closes each connection, as a backup without its site does; nothing listens at the other any more.
  const closing = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  const gone = createServer().listen(0, '127.0.0.1');
  await Promise.all([once(closing, 'listening'), once(gone, 'listening')]);
  const [closingPort, gonePort] = [closing, gone].map((server) => (server.address() as AddressInfo).port);
  gone.close();
  const addresses = [
    { host: '127.0.0.1', port: gonePort },
    { host: '127.0.0.1', port: closingPort },
    { host, port },
  ];
  const settings = { mode: 'active', checkInHours: 24, toleratesDates: false, addresses };
  writeFileSync(join(home, 'settings.json'), JSON.stringify(settings));
  try {
    assert.equal(await connectedTo(home, `https://127.0.0.1:${gonePort}`), `${host}:${port}`);
  } finally {
    closing.close();
  }
});
