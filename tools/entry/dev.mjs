/**
 * `npm run dev`: the appliance straight from the checkout. When a source changes, the program it belongs to is ended and comes back with the new code, as it
 * does after any other death: sessions go on. A changed web interface is built again. Takes the options of npm start; default home ./var-dev, port 8444.
 */
import { spawn } from 'node:child_process';
import { watch } from 'node:fs';
import { join } from 'node:path';
import { checkout, isRoot, runtime } from './checkout.mjs';
import { ask } from './control.mjs';
import { SERVICE_USER, chooseHome, prepareHome } from './home.mjs';
import { ensureInstalled } from './install.mjs';
import { LocalClient } from './local-client.mjs';
import { parseOptions } from './options.mjs';
import { runMain, say } from './say.mjs';

const READY_WAIT_LIMIT_MS = 60_000;
/** Editors write a file in several steps. */
const SETTLE_MS = 150;
/** Which programs run code below a folder; the first match counts. */
const PROGRAMS_OF = [
  { folder: 'apps/site/src/relay', programs: ['relay'] },
  { folder: 'apps/site', programs: ['site', 'relay'] },
  { folder: 'apps/base', programs: ['base'] },
  { folder: 'packages/recording', programs: ['site', 'relay'] },
  { folder: 'packages', programs: ['base'] },
];

await runMain(async () => {
  const options = parseOptions(process.argv.slice(2), {
    BASCULE_PORT: '8444',
    BASCULE_HOME: join(checkout, 'var-dev'),
    ...process.env,
  });
  const home = chooseHome(options);
  await ensureInstalled({ web: true });
  prepareHome(home);
  const main = (/** @type {string} */ app) => join(checkout, 'apps', app, 'src', 'main.ts');
  const { listen, port, name } = options;
  const boot = spawn(
    runtime,
    [
      main('boot'),
      '--home',
      home,
      '--listen',
      listen,
      '--port',
      String(port),
      '--name',
      name,
      '--base',
      main('base'),
      ...(isRoot ? ['--user', SERVICE_USER] : []),
    ],
    { stdio: 'inherit', detached: true },
  );
  const ended = new Promise((resolve) => boot.once('exit', (code) => resolve(code ?? 1)));
  const answer = await Promise.race([ready(home), ended]);
  if (typeof answer === 'number') return answer;
  const url = `https://${name}:${port}`;
  const client = options.localClient
    ? new LocalClient({ home, node: runtime, main: main('jump-client'), url: `https://127.0.0.1:${port}` })
    : undefined;
  await client?.start();
  say(
    `${url}/login  admin ${answer.firstPasswords?.login ?? ''}\n${url}/appliance  admin ${answer.firstPasswords?.appliance ?? ''}\nWatching; Ctrl-C stops.`,
  );
  watchSources(home);
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) {
    process.on(signal, () => {
      void (client?.stop() ?? Promise.resolve()).then(() => boot.kill('SIGTERM'));
    });
  }
  return await ended;
});

/** @param {string} home */
async function ready(home) {
  for (;;) {
    const answer = await ask(home, { kind: 'wait-ready', timeoutMs: READY_WAIT_LIMIT_MS }, READY_WAIT_LIMIT_MS).catch(
      () => undefined,
    );
    if (answer) return answer;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** @param {string} home */
function watchSources(home) {
  /** @type {Set<string>} */
  const changed = new Set();
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const note = (/** @type {string} */ folder) => (/** @type {string} */ _event, /** @type {string | null} */ file) => {
    if (!file || /node_modules|\.test\.ts$|(^|\/)dist\//.test(file)) return;
    changed.add(`${folder}/${file}`);
    clearTimeout(timer);
    timer = setTimeout(() => {
      void restart(home, [...changed]);
      changed.clear();
    }, SETTLE_MS);
  };
  for (const folder of ['apps', 'packages']) watch(join(checkout, folder), { recursive: true }, note(folder));
}

/** @param {string} home  @param {string[]} files */
async function restart(home, files) {
  if (files.some((file) => file.startsWith('apps/web/'))) {
    spawn(runtime, [join(checkout, 'apps', 'web', 'build', 'build.ts')], { stdio: 'inherit' }).once('exit', (code) =>
      say(code === 0 ? 'web interface built; load the page again' : 'the web interface has errors'),
    );
  }
  const names = new Set(files.flatMap((file) => PROGRAMS_OF.find(({ folder }) => file.startsWith(`${folder}/`))?.programs ?? []));
  if (names.size === 0) return;
  const answer = await ask(home, { kind: 'status' }, READY_WAIT_LIMIT_MS).catch(() => undefined);
  for (const { name, pid } of answer?.status?.processes ?? []) {
    if (!names.has(name) || pid <= 0) continue;
    say(`${files[0]} changed: ${name} starts again`);
    process.kill(pid, 'SIGKILL');
  }
}
