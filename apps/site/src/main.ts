/** Site main: pages, API, control links, site.db. Started by base (protocol/base-site.ts). */
import type { Socket } from 'node:net';
import { createLog } from '@bascule/log/log.ts';
import type { ToSite } from '@bascule/protocol/base-site.ts';
import { Site } from './compose.ts';
import { readConfig, type SiteConfig } from './config/config.ts';
import { endAfter, fail, hearParent, tell, tellMigration } from './life/parent.ts';
import { answerQuestion, isQuestion } from './life/questions.ts';
import { checkSite } from './life/site-check.ts';
import { SiteProgram } from './life/site-program.ts';
import { warmUp } from './life/warm-up.ts';

/** An orderly stop takes no longer; base kills after 3 s. */
const STOP_LIMIT_MS = 2500;

const log = createLog('site');
process.title = 'bascule-site';
process.on('uncaughtException', (error) => fail(error, log));
process.on('unhandledRejection', (error) => fail(error, log));
// Ended by base: a signal to the whole group is not ours.
process.on('SIGINT', () => {});

let program: SiteProgram | undefined;
/** A trial, which serves nobody. */
let trial: Site | undefined;
let isBeginning = false;
let isStopping = false;

try {
  await main(readConfig(process.env));
} catch (error) {
  fail(error, log);
}

async function main(config: SiteConfig): Promise<void> {
  hearParent((message, socket) => hear(config, message, socket), log);
  if (config.mode === 'prepare') {
    const { schema, pending, databaseBytes } = checkSite(config, log);
    await warmUp(config, log);
    tell({ kind: 'prepared', schema, pending, detail: { databaseBytes, version: config.version } });
  } else if (config.mode === 'trial') await tryOut(config);
  else await serve(config, false);
}

/** Becomes the writer of `config.generation`. */
async function serve(config: SiteConfig, checked: boolean): Promise<void> {
  isBeginning = true;
  const startedMs = performance.now();
  program = await SiteProgram.open({ config, log, tell, checked, onMigration: tellMigration });
  const openMs = Math.round(performance.now() - startedMs);
  const { firstPassword } = program;
  await program.listen();
  const detail = { openMs, totalMs: Math.round(performance.now() - startedMs) };
  tell({ kind: 'ready', ...(firstPassword !== undefined && { firstPassword }), detail });
  if (isStopping) stop(false);
}

/** On a scratch copy: migrates and builds everything, and listens to nobody (B49). */
async function tryOut(config: SiteConfig): Promise<void> {
  const detail: Record<string, number> = {};
  const startedMs = performance.now();
  trial = await Site.open({
    config,
    log,
    isTrial: true,
    onMigration: (name, done, total, durationMs) => {
      tellMigration(name, done, total, durationMs);
      if (durationMs !== undefined) detail[`migration ${name}`] = Math.round(durationMs);
    },
  });
  tell({ kind: 'ready', detail: { ...detail, totalMs: Math.round(performance.now() - startedMs) } });
}

function hear(config: SiteConfig, message: ToSite, socket: Socket | undefined): void {
  switch (message.kind) {
    case 'link':
      // Without a socket the connection closed on its way here; without a site the client comes back.
      if (program === undefined || isStopping) socket?.destroy();
      else if (socket !== undefined) program.acceptLink(socket, message.head, message.alpn);
      return;
    case 'activate':
      if (config.mode === 'prepare' && !isBeginning && !isStopping)
        serve({ ...config, generation: message.generation }, true).catch((error: unknown) => fail(error, log));
      return;
    case 'stop':
      return stop(message.comeBackAtOnce === true);
    case 'web-key':
      config.webKeyPin = message.webKeyPin;
      return program?.site?.setWebKeyPin(message.webKeyPin);
    case 'committed':
      config.isCommitted = true;
      return program?.site?.committed();
    case 'licences':
      config.licences = message.licences;
      return program?.site?.licencesInstalled(message.licences);
    case 'login-banner':
      config.loginBanner.text = message.text;
      return;
    case 'update-metadata':
      return program?.site?.updateMetadataRenewed();
    case 'health':
      program?.failover.baseAsked();
      return tell({ kind: 'health', nonce: message.nonce, ok: true, detail: program?.health() ?? { prepared: true } });
    case 'pair-do':
      return void orderPair(message);
    case 'ask-peer':
      return void askPeer(message);
    case 'certificate':
      return program?.failover.certificateAnswered(message);
    case 'box-settings':
      return program?.boxSettings.answered(message);
    case 'box-answered':
      return program?.failover.boxAnswered(message.nonce, message.answer);
    default:
      if (isQuestion(message)) void answerQuestion(program, message, log).then(tell);
  }
}

async function orderPair({ nonce, plan, step, order }: Extract<ToSite, { kind: 'pair-do' }>): Promise<void> {
  const done = await program?.failover.order(plan, step, order);
  tell({ kind: 'pair-done', nonce, ...(done ?? { outcome: 'failed', error: 'This start of the site is not active.' }) });
}

async function askPeer({ nonce, question }: Extract<ToSite, { kind: 'ask-peer' }>): Promise<void> {
  const error = { code: 'SITE_NOT_ACTIVE', message: 'This start of the site is not active.' };
  tell({ kind: 'peer-answered', nonce, answer: (await program?.failover.askPeer(question)) ?? { ok: false, error } });
}

/** A program that is just becoming the writer stops when it is. */
function stop(comeBackAtOnce: boolean): void {
  isStopping = true;
  if (isBeginning && program === undefined) return;
  endAfter(async () => (program ?? trial)?.close({ comeBackAtOnce }), STOP_LIMIT_MS, log);
}
