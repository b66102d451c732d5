/** Site main: pages, API, control links, site.db. Started by base (protocol/base-site.ts). */
import type { Socket } from 'node:net';
import { AppError } from '@bascule/errors/app-error.ts';
import { createLog } from '@bascule/log/log.ts';
import { toSite, type FromSite, type ToSite } from '@bascule/protocol/base-site.ts';
import { Site } from './compose.ts';
import { readConfig } from './config/config.ts';

/** An orderly stop takes no longer. */
const STOP_LIMIT_MS = 5000;

const log = createLog('site');
process.title = 'bascule-site';
// Without its parent this program must not go on: another writer may be started.
process.on('disconnect', () => process.exit(0));
process.on('uncaughtException', (error) => fail(error));
process.on('unhandledRejection', (error) => fail(error));

try {
  await main();
} catch (error) {
  fail(error);
}

async function main(): Promise<void> {
  const site = await Site.open({ config: readConfig(process.env), log });
  process.on('message', (value: unknown, handle: unknown) => hear(site, value, handle as Socket | undefined));
  await site.listen();
  tell({ kind: 'ready', ...(site.firstPassword !== undefined && { firstPassword: site.firstPassword }) });
}

function hear(site: Site, value: unknown, socket: Socket | undefined): void {
  const parsed = toSite.safeParse(value);
  if (!parsed.success) {
    socket?.destroy();
    log.warn({ field: parsed.error.issues[0]?.path.join('.') }, 'site.message-refused');
    return;
  }
  const message = parsed.data;
  if (message.kind === 'link') {
    // Without a socket: the connection closed on its way here.
    if (socket !== undefined) site.acceptLink(socket, message.head);
  } else if (message.kind === 'stop') stop(site);
  else if (message.kind === 'web-key') site.setWebKeyPin(message.webKeyPin);
  else if (message.kind === 'health') tell({ kind: 'health', nonce: message.nonce, ok: true, detail: site.health() });
  else void answer(site, message);
}

type Question = Extract<ToSite, { kind: 'reset-password' | 'reset-second-factor' | 'local-client-token' }>;
const ANSWERS = {
  'reset-password': 'password-reset',
  'reset-second-factor': 'second-factor-reset',
  'local-client-token': 'local-client-token',
} as const satisfies Record<Question['kind'], FromSite['kind']>;

async function answer(site: Site, message: Question): Promise<void> {
  const { nonce } = message;
  const kind = ANSWERS[message.kind];
  try {
    if (message.kind === 'reset-password')
      tell({ kind: 'password-reset', nonce, password: await site.resetPassword(message.user) });
    else if (message.kind === 'reset-second-factor') {
      site.resetSecondFactor(message.user);
      tell({ kind: 'second-factor-reset', nonce });
    } else tell({ kind: 'local-client-token', nonce, token: site.parts.jump.createLocalClientToken() });
  } catch (error) {
    if (!(error instanceof AppError)) log.error({ err: error, question: message.kind }, 'site.question-failed');
    tell({ kind, nonce, error: error instanceof AppError ? error.message : 'The site failed at this; its log says more.' });
  }
}

function stop(site: Site): void {
  setTimeout(() => process.exit(0), STOP_LIMIT_MS).unref();
  site.close().then(
    () => process.exit(0),
    (error: unknown) => fail(error),
  );
}

/** Says why in one sentence, and ends: base starts a fresh one. */
function fail(error: unknown): void {
  log.fatal({ err: error }, 'site.failed');
  const message =
    error instanceof AppError ? error.message : `The site cannot work: ${error instanceof Error ? error.message : String(error)}`;
  if (process.send === undefined) process.exit(1);
  else process.send({ kind: 'failed', message } satisfies FromSite, () => process.exit(1));
}

function tell(message: FromSite): void {
  // A parent that died a moment ago makes this fail; 'disconnect' follows and ends the program.
  if (process.connected) process.send?.(message, () => {});
}
