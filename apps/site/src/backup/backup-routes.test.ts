/** What an API token may ask of backups, and what is seen of whoever looks about in the network of the appliance. */
import assert from 'node:assert/strict';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { must } from '@bascule/core/must.ts';
import type { AnyRoute } from '@bascule/http/route.ts';
import { readAudit } from '@bascule/store/audit.ts';
import { testContext } from '@bascule/store/testing.ts';
import { backupRoutes } from './backup-routes.ts';
import { ALL, openTestBackups, TEST_BACKUP_PASSWORD } from './testing.ts';

const PERSON = { id: 'usr_1', name: 'ada' };
const TOKEN = { ...PERSON, token: { name: 'script', scopes: ['backup:change'] } };

describe('the interface of backups', () => {
  let opened: Awaited<ReturnType<typeof openTestBackups>>;
  before(async () => {
    opened = await openTestBackups();
  });
  after(() => opened[Symbol.asyncDispose]());

  const routeOf = (method: string, url: string): AnyRoute =>
    must(
      backupRoutes(opened.backups).find((one) => one.method === method && one.url === url),
      'the route',
    );
  const call = async (method: string, url: string, body: object, principal: object = PERSON): Promise<unknown> =>
    await routeOf(method, url).handle({ context: testContext, body, principal } as never);
  const summaries = () => readAudit(opened.site.parts.store, { limit: 20 }).map(({ code, summary }) => `${code} ${summary}`);

  it('takes no password of an API token: what it makes never holds the identity of the site', async () => {
    const request = { include: ALL, destination: 'here' };
    await assert.rejects(call('POST', '/backups', { ...request, password: TEST_BACKUP_PASSWORD }, TOKEN), {
      code: 'BACKUP_PASSWORD_BY_TOKEN',
    });
    assert.deepEqual(opened.backups.list().backups, []);
    const { id } = (await call('POST', '/backups', request, TOKEN)) as { id: string };
    assert.equal(opened.backups.get(id).isEncrypted, false);
    await opened.backups.cancel(testContext, id).catch(() => undefined);
  });

  it('writes down what is asked of other machines before it asks, and counts it as logins are', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    await assert.rejects(call('POST', '/backup/host-key', { host: '127.0.0.1', port }));
    assert.match(summaries()[0] ?? '', new RegExp(`^BACKUP_DESTINATION_ASKED .*127\\.0\\.0\\.1:${port}`));
    const secret = { kind: 'password', password: 'secret of the account' };
    const place = {
      kind: 'sftp',
      host: '127.0.0.1',
      port,
      account: 'box',
      path: 'b',
      hostKey: `SHA256:${'A'.repeat(43)}`,
      secret,
    };
    await assert.rejects(call('POST', '/backup/destinations', { name: 'vault', place }));
    assert.match(summaries()[0] ?? '', /^BACKUP_DESTINATION_ASKED .*box@127\.0\.0\.1/);
    assert.doesNotMatch(summaries().join(), /secret of/);
    for (const [method, url] of [
      ['POST', '/backup/host-key'],
      ['POST', '/backup/destinations'],
      ['PUT', '/backup/destinations/:id'],
    ] as const)
      assert.equal(routeOf(method, url).rate, 'login', url);
  });
});
