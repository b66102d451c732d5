import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import { ADMINISTRATOR, TestSite } from '../../site/src/jump/testing.ts';
import { compose } from '@bascule/client/run-program.ts';
import { UsageError } from '@bascule/client/usage-error.ts';
import { readOptions } from '@bascule/client/options.ts';
import { plainLog, sentenceOf } from '@bascule/client/plain-log.ts';
import { SaidSeldom } from '@bascule/client/said-seldom.ts';
import { newHomeDirectory } from '@bascule/client/testing.ts';
import { jumpClientFace } from './jump-client-face.ts';

let site: TestSite;
before(async () => (site = await TestSite.open()));
after(() => site.close());

/** What a person reads in the terminal, without the times; `said` settles when a sentence holds `text`. */
function terminal() {
  const sentences: string[] = [];
  const waiting: (() => void)[] = [];
  const log = plainLog({
    write(text) {
      assert.match(text, /^\d\d:\d\d:\d\d  .*\n$/);
      sentences.push(text.slice(10).trimEnd());
      for (const wake of waiting.splice(0)) wake();
    },
  });
  const said = async (text: string) => {
    while (!sentences.some((sentence) => sentence.includes(text))) await new Promise<void>((resolve) => waiting.push(resolve));
  };
  return { log: createLog('test', 'info', log), sentences, said };
}

test('in a terminal the client says in plain words what happens, and why it was cut off', { timeout: 20_000 }, async () => {
  const { log, sentences, said } = terminal();
  const home = newHomeDirectory();
  const address = `https://${site.target.host}:${site.target.port}`;
  const token = site.token({ approveEach: true });
  const client = await compose(jumpClientFace, ['--site', address, '--token', token, '--home', home], {}, log);
  const running = client.run();
  await said('Connected');
  const [item] = site.jump.items(undefined, () => true).items;
  assert.ok(item);
  site.jump.approve(ADMINISTRATOR, item.id);
  await said('Approved');
  site.jump.revoke(ADMINISTRATOR, item.id);
  await said('revoked');
  await client.stop();
  await running;
  await client.close();
  assert.deepEqual(sentences, [
    'Enrolled. The token is not needed any more.',
    `Connected to ${site.target.host}:${site.target.port}. An administrator must approve it under Jump > Jump Clients.`,
    'Approved: shells can be opened on this machine.',
    `An administrator has revoked or deleted this Jump Client. To use it again, remove ${home} and reinstall it with a new token.`,
    'Stopping.',
  ]);
});

test('a client that stays refused says so at most hourly, and at once when it is refused anew', () => {
  const said = new SaidSeldom(1000);
  assert.deepEqual(
    [0, 999, 1000, 1500, 2000].map((nowMs) => said.isDue('revoked', nowMs)),
    [true, false, true, false, true],
  );
  assert.equal(said.isDue('busy', 2001), true);
  said.forget();
  assert.equal(said.isDue('busy', 2002), true);
});

test('events without a sentence are left out, unless they are warnings; a sentence is not said twice in a row', () => {
  assert.equal(sentenceOf('{"level":30,"event":"session-linked"}'), undefined);
  assert.equal(sentenceOf('{"level":40,"event":"odd","reason":"so"}'), 'odd so');
  const written: string[] = [];
  const log = plainLog({ write: (text) => written.push(text) });
  for (let i = 0; i < 3; i++) log.write('{"level":40,"event":"link-failed","reason":"no route."}');
  assert.equal(written.length, 1);
  assert.ok(written[0]?.endsWith('No connection (no route). Trying again; running shells go on.\n'));
});

test('usage names the command that was typed', () => {
  const usage = (env: NodeJS.ProcessEnv) => {
    try {
      readOptions([], env, jumpClientFace);
    } catch (error) {
      return error instanceof UsageError ? error.message : '';
    }
    return '';
  };
  assert.match(usage({ BASCULE_COMMAND: 'npm run jump-client --' }), /Usage: npm run jump-client -- --site https:/);
  assert.match(usage({}), /Usage: bascule-jump-client --site/);
});
