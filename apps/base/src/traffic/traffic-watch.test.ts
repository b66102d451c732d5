import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { openWebCertificate, type WebCertificate } from '../certificates/certificates.ts';
import { ResolutionWatch } from './traffic-watch.ts';

describe('who answers where the shared name leads', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bascule-watch-'));
  let certificate: WebCertificate;
  before(async () => {
    certificate = await openWebCertificate(directory, ['app.pra.test']);
  });
  after(() => rmSync(directory, { recursive: true }));

  /** A web server at 127.0.0.1 that answers each path with what `pages` has; 404 for the rest. */
  async function answering(pages: Record<string, string>): Promise<{ port: number; hosts: Set<string> } & AsyncDisposable> {
    const hosts = new Set<string>();
    const server = https.createServer({ key: certificate.key, cert: certificate.cert }, (request, response) => {
      hosts.add(request.headers.host ?? '');
      const page = pages[request.url ?? ''];
      response.writeHead(page === undefined ? 404 : 200).end(page ?? 'no');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const end = async (): Promise<void> => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    };
    return { port: (server.address() as AddressInfo).port, hosts, [Symbol.asyncDispose]: end };
  }
  const look = (port: number, addresses: string[]) =>
    new ResolutionWatch({
      name: 'app.pra.test',
      port,
      instance: 'ours',
      resolver: { resolve4: () => Promise.resolve(addresses), resolve6: () => Promise.reject(new Error('none')) },
    }).look();
  const state = (instance: string): string =>
    JSON.stringify({ applianceName: 'app.pra.test', siteReady: true, siteState: 'ready', instance });

  for (const [name, pages, answersAs, isHere] of [
    ['this very appliance', { '/appliance/api/state': state('ours') }, 'app.pra.test', true],
    ['another one of the same name', { '/appliance/api/state': state('theirs') }, 'app.pra.test', false],
    ['one that serves the site alone at that address', { '/login': '<html>' }, '', false],
    ["somebody else's pages", { '/appliance/api/state': '{"a":1}', '/login': 'hello' }, '', false],
  ] as const)
    it(`tells ${name}`, async () => {
      await using server = await answering(pages);
      assert.deepEqual(await look(server.port, ['127.0.0.1']), [{ address: '127.0.0.1', answersAs, isHere }]);
      assert.deepEqual([...server.hosts], [`app.pra.test:${server.port}`]);
    });

  it('tells that nobody does, and that the name leads nowhere', async () => {
    const { port } = await (async () => {
      await using server = await answering({});
      return { port: server.port };
    })();
    assert.deepEqual(await look(port, ['127.0.0.1']), [{ address: '127.0.0.1', answersAs: null, isHere: false }]);
    assert.deepEqual(await look(port, []), []);
  });
});
