import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { asInstalled } from './say.mjs';

test('a reader that has what it wanted ends an entry script quietly', async () => {
  const script = `
    import { runMain, say } from ${JSON.stringify(join(import.meta.dirname, 'say.mjs'))};
    await runMain(async () => {
      for (;;) {
        say('and on');
        await new Promise(setImmediate);
      }
    });`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: ['ignore', 'pipe', 'pipe'] });
  const said: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk));
  await once(child.stdout, 'data');
  child.stdout.destroy();
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  assert.deepEqual([Buffer.concat(said).toString(), code, signal], ['', 0, null]);
});

test('an appliance that was installed as a package has no npm', () => {
  const text = 'To stop it: npm run appliance -- stop. To make one: npm start';
  assert.equal(asInstalled(text, {}), text);
  const installed = asInstalled(text, { BASCULE_INSTALLED: '1' });
  assert.equal(installed, 'To stop it: bascule-appliance stop. To make one: systemctl start bascule');
});
