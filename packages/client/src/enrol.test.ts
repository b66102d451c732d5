import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rmSync, statSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer, type AddressInfo } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { after, before, test } from 'node:test';
import { LINK_ALPN } from '@bascule/protocol/control-link.ts';
import { ADMINISTRATOR, TestSite } from '../../../apps/site/src/jump/testing.ts';
import { SiteIdentity } from '../../../apps/site/src/jump/jump.ts';
import { ClientHome } from './client-home.ts';
import { RefusedError, WrongIdentityError, enrol } from './enrol.ts';
import { UsageError } from './usage-error.ts';
import { FACTS, ScriptedLink, enrolledClient, newHomeDirectory, silent } from './testing.ts';

let site: TestSite;
let nowMs = Date.now();
before(async () => (site = await TestSite.open({ now: () => nowMs })));
after(() => site.close());

const enrolWith = async (token: string, directory = newHomeDirectory()) => {
  const home = await ClientHome.open(directory);
  try {
    return await enrol({ target: site.target, token, home, name: undefined, facts: FACTS, log: silent });
  } finally {
    home.close();
  }
};
const isRefused = (error: unknown) => error instanceof RefusedError && error.code === 'token-invalid';

test('a token enrols; the client is listed, approved or waiting as the token says (wire 3.3)', async () => {
  const approved = await enrolWith(site.token({ approveEach: false }));
  const waiting = await enrolWith(site.token({ approveEach: true }));
  assert.equal(site.jump.item(approved.client)?.state, 'approved');
  assert.equal(site.jump.item(waiting.client)?.state, 'waiting-for-approval');
  assert.equal(site.jump.item(waiting.client)?.hostName, 'web-1');
  assert.ok(site.jump.item(waiting.client)?.duplicateName, 'two of the same name are marked');
  assert.equal(site.jump.approve(ADMINISTRATOR, waiting.client).state, 'approved');
});

test('the key stays in the home, readable by its owner only', async () => {
  const directory = newHomeDirectory();
  await enrolWith(site.token(), directory);
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  assert.equal(statSync(`${directory}/client.key`).mode & 0o777, 0o600);
  assert.equal(statSync(`${directory}/identity.json`).mode & 0o777, 0o600);
});

test('a used-up, expired or revoked token is refused, and makes no row', async () => {
  const single = site.token({ uses: 1 });
  await enrolWith(single);
  const total = site.jump.counts().total;
  await assert.rejects(enrolWith(single), isRefused);

  const short = site.token({ validForMs: 1000 });
  nowMs += 2000;
  await assert.rejects(enrolWith(short), isRefused);

  const made = site.jump.tokens.create(ADMINISTRATOR, {
    name: 'x',
    uses: 5,
    approveEach: false,
    validForMs: 60_000,
    groupId: null,
  });
  site.jump.tokens.revoke(ADMINISTRATOR, made.token.id);
  await assert.rejects(enrolWith(made.text), isRefused);
  assert.equal(site.jump.counts().total, total);
  assert.ok(site.auditCodes().includes('JUMP_ENROLMENT_REFUSED'));
});

test('uses are counted in the transaction: many at once cannot take more than there are', async () => {
  const token = site.token({ uses: 3 });
  const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => enrolWith(token)));
  assert.equal(outcomes.filter((outcome) => outcome.status === 'fulfilled').length, 3);
});

test('a forged secret is refused', async () => {
  const parts = site.token().split('.');
  parts[2] = Buffer.alloc(32, 7).toString('base64url');
  await assert.rejects(enrolWith(parts.join('.')), isRefused);
});

test('an enrolment whose answer was lost is repeated without another use', async () => {
  const directory = newHomeDirectory();
  const token = site.token({ uses: 1 });
  const first = await enrolWith(token, directory);
  rmSync(`${directory}/identity.json`);
  const second = await enrolWith(token, directory);
  assert.equal(second.client, first.client);
});

test('a proof made for another connection is refused', async () => {
  const home = await ClientHome.open(newHomeDirectory());
  const token = site.token();
  const tls = { authority: site.identity.certificatePem };
  const first = await ScriptedLink.open(site.target, tls);
  const stolen = ScriptedLink.enrolment(home, token, (await first.next('welcome')).challenge);
  const second = await ScriptedLink.open(site.target, tls);
  await second.next('welcome');
  second.send(stolen);
  assert.equal((await second.next('refused')).code, 'token-invalid');
  first.webSocket.terminate();
  home.close();
});

test('a man in the middle gets nothing: the token is not sent to a foreign identity', async () => {
  const foreign = await SiteIdentity.open({ keysDir: `${newHomeDirectory()}/keys` });
  const real = await site.identity.issueLinkTls();
  const leaf = await foreign.issueLinkTls();
  const heard: Buffer[] = [];
  // Once with its own chain, once showing the real authority behind its own leaf.
  for (const cert of [
    leaf.certificate,
    leaf.certificate.split('-----END CERTIFICATE-----\n')[0] + '-----END CERTIFICATE-----\n' + real.authority,
  ]) {
    const server = createTlsServer(
      { key: leaf.key, cert, ALPNProtocols: [LINK_ALPN], requestCert: true, rejectUnauthorized: false },
      (socket) => {
        socket.on('error', () => socket.destroy());
        socket.on('data', (data: Buffer) => heard.push(data));
      },
    );
    server.on('tlsClientError', () => undefined);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const home = await ClientHome.open(newHomeDirectory());
    const target = { host: '127.0.0.1', port: (server.address() as AddressInfo).port, proxy: undefined };
    await assert.rejects(
      enrol({ target, token: site.token(), home, name: undefined, facts: FACTS, log: silent }),
      (error: Error) => {
        return error instanceof WrongIdentityError || /certificate|signature|verify/i.test(error.message);
      },
    );
    home.close();
    server.close();
  }
  assert.equal(Buffer.concat(heard).length, 0);
});

test('works through a CONNECT proxy with basic authentication, and says when the proxy refuses', async () => {
  const seen: string[] = [];
  const proxy = createHttpServer((_request, response) => response.writeHead(405).end());
  proxy.on('connect', (request, socket, head) => {
    seen.push(`${request.url} ${request.headers['proxy-authorization']}`);
    if (request.headers['proxy-authorization'] !== `Basic ${Buffer.from('me:s3cret').toString('base64')}`) {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
      return;
    }
    const [host, port] = request.url!.split(':') as [string, string];
    const upstream = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.write(head);
      upstream.pipe(socket).pipe(upstream);
    });
    for (const side of [upstream, socket]) side.on('error', () => side.destroy());
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const port = (proxy.address() as AddressInfo).port;
  const through = (authorization: string) => ({ ...site.target, proxy: { host: '127.0.0.1', port, authorization } });
  const client = await enrolledClient(through(`Basic ${Buffer.from('me:s3cret').toString('base64')}`), site.token());
  assert.ok(site.jump.item(client.identity.client));
  assert.equal(seen[0], `127.0.0.1:${site.port} Basic ${Buffer.from('me:s3cret').toString('base64')}`);
  await assert.rejects(enrolledClient(through('Basic wrong'), site.token()), /proxy refused the connection: 407/);
  client.home.close();
  proxy.close();
});

test('two clients on one home: the second is refused; a lock left by a killed one is taken over', async () => {
  const directory = newHomeDirectory();
  const first = await ClientHome.open(directory);
  await assert.rejects(ClientHome.open(directory), UsageError);
  first.close();
  const second = await ClientHome.open(directory);
  second.close();
  // What a killed client leaves: a socket nobody listens on.
  const stale = createServer();
  stale.listen(`${directory}/other.sock`);
  await once(stale, 'listening');
  rmSync(`${directory}/lock.sock`, { force: true });
  const { renameSync } = await import('node:fs');
  renameSync(`${directory}/other.sock`, `${directory}/lock.sock`);
  stale.close();
  await once(stale, 'close');
  const third = await ClientHome.open(directory);
  third.close();
});
