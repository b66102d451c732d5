/** Entry point of the update server and of its commands (docs/operator/update-server.md). */
import { userInfo } from 'node:os';
import { AppError } from '@bascule/errors/app-error.ts';
import { createLog } from '@bascule/log/log.ts';
import { commandOf } from './commands.ts';
import { check, readCommandLine, USAGE, wrong, type CommandLine } from './options.ts';
import type { ServeOptions } from './server.ts';
import { openState } from './state.ts';

const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function main(): Promise<void> {
  const line = readCommandLine(process.argv.slice(2));
  if (line.switches.has('help') || (line.words.length === 0 && process.argv.length === 2)) return say(USAGE);
  if (line.words[0] === 'serve') return serve(serveOptions(line));
  const command = commandOf(line);
  const { store, mailer } = openState(line.required('state', check.folder), createLog('update-server', 'silent'));
  try {
    const actor = { kind: 'system' as const, id: null, name: `${userInfo().username} at the command line` };
    await command(line, { store, mailer, context: { actor, address: '' }, now: Date.now, say });
  } finally {
    await mailer.close();
    store.close();
  }
}

function serveOptions(line: CommandLine): ServeOptions {
  if (line.words.length > 1) throw wrong(`'${line.words[1]}' is not expected`);
  const certificate = line.optional('tls-cert', check.file);
  const key = line.optional('tls-key', check.file);
  if ((certificate === undefined) !== (key === undefined)) throw wrong('--tls-cert and --tls-key go together');
  return {
    repository: line.required('repository', check.folder),
    state: line.required('state', check.folder),
    port: line.required('port', check.port),
    listen: line.optional('listen', check.address) ?? '127.0.0.1',
    name: line.optional('name', check.url),
    tls: certificate !== undefined && key !== undefined ? { certificate, key } : undefined,
    onlineKeys: line.optional('online-keys', check.folder),
    registration: line.optional('registration', check.registration) ?? 'closed',
    rules: { scheduledOnly: line.switches.has('scheduled-only'), offerOnce: line.switches.has('offer-once') },
  };
}

async function serve(options: ServeOptions): Promise<void> {
  const log = createLog('update-server');
  // Commands need neither HTTP nor the verifier: they start without them.
  const { UpdateServer } = await import('./server.ts');
  const server = await UpdateServer.start(options, log);
  say(`Update server at ${server.url}`);
  const stopped = Promise.withResolvers<void>();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stopped.resolve());
  // After the certificate was renewed: systemctl reload, or kill -HUP.
  process.on(
    'SIGHUP',
    () => void server.reloadTls(options.tls).catch((error: unknown) => log.error({ err: error }, 'tls.not-reloaded')),
  );
  await stopped.promise;
  await server.stop();
}

try {
  await main();
} catch (error) {
  if (!(error instanceof AppError)) throw error;
  process.stderr.write(`update-server: ${error.message}\n`);
  process.exitCode = error.code === 'USAGE_WRONG' ? 64 : 1;
}
