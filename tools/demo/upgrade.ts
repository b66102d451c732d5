/**
 * `npm run demo -- upgrade`: an update server with two later releases of this checkout, an appliance on the one before, Jump Clients, two sessions that type
 * by themselves; installs base and site while they type, and prints what got lost. `--browser` opens the Updates page, `--keep` leaves all running.
 */
import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import type { Installation } from '@bascule/protocol/api/updates.ts';
import { UpgradeRun, type UpgradeFigures } from '@bascule/testkit/upgrade-run.ts';
import { BOX_PASSWORD, LaunchedUpdateServer, NEXT_VERSION, ReleaseShop, UpgradeScene } from '@bascule/testkit/upgrade-scene.ts';

const CLIENTS = 2;
const WATCH_SECONDS = 10;

const { values, positionals } = parseArgs({
  options: { browser: { type: 'boolean', default: true }, keep: { type: 'boolean', default: false } },
  allowNegative: true,
  allowPositionals: true,
});
if (positionals[0] !== 'upgrade') {
  process.stderr.write('npm run demo -- upgrade [--no-browser] [--keep]\n');
  process.exit(64);
}

process.exitCode = await demonstrate();

async function demonstrate(): Promise<number> {
  using shop = await ReleaseShop.open(say);
  await using server = await LaunchedUpdateServer.start(shop);
  say(`The update server runs at ${server.url}`);
  await using scene = await UpgradeScene.start({ clients: CLIENTS });
  await scene.trust(server, WATCH_SECONDS);
  const page = `${scene.appliance.url}/appliance/updates`;
  say(`The appliance runs at ${page} (admin, "${BOX_PASSWORD}")`);
  if (values.browser) openPage(page);
  const sessions = await Promise.all(scene.items.map((item) => scene.typing(item)));
  say(`${sessions.length} sessions are typing, 50 keys a second each.`);
  const run = new UpgradeRun(scene, sessions);
  const figures: UpgradeFigures[] = [];
  for (const kind of ['base', 'site'] as const) {
    say(`Installing ${kind} ${NEXT_VERSION} ...`);
    figures.push(await run.install(scene.target(kind), ({ step }: Installation) => say(`  ${step}`)));
  }
  const outcomes = await run.finish();
  for (const one of figures) report(one);
  const lost = outcomes.filter(({ isLost }) => isLost).length;
  const bytes = outcomes.reduce((sum, { bytesLost }) => sum + bytesLost, 0);
  const whole = outcomes.filter(({ isRecordingWhole }) => isRecordingWhole).length;
  say(
    `Keys typed ${outcomes.reduce((sum, { typedBytes }) => sum + typedBytes, 0)}. Sessions lost ${lost}, bytes lost ${bytes}, recordings whole ${whole} of ${outcomes.length}.`,
  );
  const isGood =
    lost === 0 &&
    bytes === 0 &&
    whole === outcomes.length &&
    figures.every(({ installation, polled }) => installation.outcome === 'installed' && polled.failed === 0);
  say(isGood ? 'Nothing was lost.' : 'Something was lost; see above.');
  if (values.keep) await interrupted();
  return isGood ? 0 : 1;
}

function report({ what, installation, totalMs, polled, longestGapMs }: UpgradeFigures): void {
  const { outcome, unavailableMs, cause } = installation;
  say(
    `${what}: ${outcome}${cause === null ? '' : ` (${cause.message})`} after ${seconds(totalMs)} s; the site was held for ${seconds(unavailableMs ?? 0)} s; ` +
      `${polled.requests} requests, ${polled.failed} refused or failed, the longest ${seconds(polled.longestMs)} s; longest wait for a key ${seconds(longestGapMs)} s`,
  );
  const steps = installation.steps.filter(({ startedAtMs, endedAtMs }) => startedAtMs !== null && endedAtMs !== null);
  say(
    `  ${steps.map(({ step, startedAtMs, endedAtMs }) => `${step} ${seconds((endedAtMs ?? 0) - (startedAtMs ?? 0))}`).join(', ')}`,
  );
  for (const failure of polled.failures) say(`  ${failure}`);
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(2);
}

/** Shows the page where there is a display; elsewhere the address was printed. */
function openPage(url: string): void {
  if (process.env['DISPLAY'] === undefined && process.env['WAYLAND_DISPLAY'] === undefined) return;
  spawn('xdg-open', [url], { stdio: 'ignore', detached: true })
    .on('error', () => undefined)
    .unref();
}

function interrupted(): Promise<void> {
  say('All keeps running; Ctrl-C ends it.');
  return new Promise((resolve) => process.once('SIGINT', () => resolve()));
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
