import assert from 'node:assert/strict';
import https from 'node:https';
import tls from 'node:tls';
import { describe, it } from 'node:test';
import type { AccessType } from '@bascule/protocol/api/network.ts';
import { FrontBench } from '../../test/front-bench.ts';

/** The status of a page, asked for at the bench's one address. */
function status(bench: FrontBench, path: string, upgrade = false): Promise<number> {
  return new Promise((resolve) => {
    https
      .get(
        {
          port: bench.port,
          host: '127.0.0.1',
          path,
          rejectUnauthorized: false,
          agent: false,
          ...(upgrade && { headers: { connection: 'upgrade', upgrade: 'websocket' } }),
        },
        (response) => response.resume().on('end', () => resolve(response.statusCode ?? 0)),
      )
      .on('upgrade', (response, socket) => {
        socket.destroy();
        resolve(response.statusCode ?? 0);
      })
      .on('error', () => resolve(0));
  });
}

/** Whether a link that is handed on gets so far that somebody answers. */
function link(bench: FrontBench): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = tls.connect({
      port: bench.port,
      host: '127.0.0.1',
      ALPNProtocols: ['bascule-link/1'],
      rejectUnauthorized: false,
    });
    // The fixture answers in clear what no TLS understands: an error that is not a hang-up.
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNRESET'));
    socket.on('close', () => resolve(false));
  });
}

describe('what an address serves (B11)', () => {
  for (const [access, appliance, site] of [
    ['both', true, true],
    ['appliance-only', true, false],
    ['site-only', false, true],
  ] as [AccessType, boolean, boolean][])
    it(`${access}: of pages, streams and links alike`, async () => {
      await using bench = new FrontBench();
      const asked: string[] = [];
      await bench.open({
        accessOf(localAddress) {
          asked.push(localAddress);
          return access;
        },
      });
      const found = [
        await status(bench, '/appliance'),
        await status(bench, '/login'),
        await status(bench, '/'),
        await status(bench, '/stream/x', true),
        await link(bench),
      ];
      const no = 404;
      assert.deepEqual(found, [appliance ? 200 : no, site ? 200 : no, site ? 200 : no, site ? 101 : 0, site]);
      assert.ok(asked.every((address) => address === '127.0.0.1'));
    });
});

describe('networks from which /appliance answers', () => {
  it('others get one constant answer, whatever they ask for; the site and the public state answer everybody', async () => {
    await using bench = new FrontBench();
    const asked: string[] = [];
    await bench.open({
      answersAppliance(address) {
        asked.push(address);
        return false;
      },
    });
    const paths = ['/appliance', '/appliance/', '/appliance/api/auth/login', '/appliance/api/state?x', '/appliance/assets/x.js'];
    assert.deepEqual(await Promise.all(paths.map((path) => status(bench, path))), [404, 404, 404, 404, 404]);
    assert.deepEqual([await status(bench, '/appliance/api/state'), await status(bench, '/login')], [200, 200]);
    assert.ok(asked.length === paths.length && asked.every((address) => address === '127.0.0.1'));
  });

  it('browsers come by new connections when they are told to, and say since when theirs are there', async () => {
    await using bench = new FrontBench();
    const since: number[] = [];
    await bench.open({
      site: false,
      appliance(request, response) {
        since.push(bench.front.arrivalOf(request).sinceMs);
        response.end();
      },
    });
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
    const ask = (): Promise<string | undefined> =>
      new Promise((resolve, reject) => {
        https
          .get({ agent, port: bench.port, host: '127.0.0.1', path: '/appliance' }, (response) =>
            response.resume().on('end', () => resolve(response.headers.connection)),
          )
          .on('error', reject);
      });
    await ask();
    await ask();
    assert.equal(since[0], since[1]);
    const changedMs = performance.now();
    bench.front.renewConnections();
    await ask().catch(() => ask());
    assert.ok((since[2] ?? 0) > changedMs);
    agent.destroy();
  });
});
