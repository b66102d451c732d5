import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { newId } from '@bascule/core/ids.ts';
import { createLog } from '@bascule/log/log.ts';
import { compose } from '@bascule/client/run-program.ts';
import { newHomeDirectory } from '@bascule/client/testing.ts';
import { TestSite } from '../../site/src/jump/testing.ts';
import { jumpointFace } from './jumpoint-face.ts';

let site: TestSite;
before(async () => (site = await TestSite.open()));
after(() => site.close());

test('a Jumpoint enrols, stays connected, says what it is, and refuses a shell with a reason', { timeout: 20_000 }, async () => {
  const argv = ['--site', `https://127.0.0.1:${site.port}`, '--token', site.token(), '--home', newHomeDirectory()];
  const program = await compose(jumpointFace, argv, {}, createLog('test', 'silent'));
  const came = new Promise<[string, string | undefined]>((resolve) =>
    site.jump.onClientHello((client, { software }) => resolve([client, software?.program])),
  );
  const refused = new Promise<string>((resolve) =>
    site.jump.onClientMessage((_client, message) => message.kind === 'session-failed' && resolve(message.reason)),
  );
  const running = program.run();
  const [client, name] = await came;
  assert.equal(name, 'jumpoint');
  await new Promise<void>((resolve) => {
    if (site.jump.isOnline(client)) resolve();
    else site.jump.onClientLink(() => resolve());
  });
  const shell = {
    kind: 'shell' as const,
    size: { cols: 80, rows: 24 },
    term: 'xterm',
    recordInput: false,
    giveUpAfterMs: 60_000,
  };
  site.jump.sendToClient(client, { kind: 'session-open', session: newId('accessSession'), program: shell, ticket: 'none' });
  assert.match(await refused, /Jumpoint: no shell/);
  await program.stop();
  await running;
  await program.close();
});
