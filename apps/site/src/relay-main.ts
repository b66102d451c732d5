/** The relay of a site: data links, viewer links, recordings; no database. Started by base (protocol/base-site.ts), told by site main (relay-control.ts). */
import { accessSync, constants, existsSync } from 'node:fs';
import type { Socket } from 'node:net';
import { createLog } from '@bascule/log/log.ts';
import type { ToSite } from '@bascule/protocol/base-site.ts';
import { PAIR_DATA_ALPN } from '@bascule/protocol/pair-link.ts';
import { readConfig, type SiteConfig } from './config/config.ts';
import { endAfter, fail, hearParent, tell } from './life/parent.ts';
import { openRelayDoors, type RelayDoors } from './relay/relay-doors.ts';

/** An orderly stop takes no longer; base kills after 3 s. */
const STOP_LIMIT_MS = 2500;

const log = createLog('relay');
const startedAtMs = Date.now();
process.title = 'bascule-relay';
process.on('uncaughtException', (error) => fail(error, log));
process.on('unhandledRejection', (error) => fail(error, log));

let running: RelayDoors | undefined;
let isBeginning = false;
let isStopping = false;

try {
  await main(readConfig(process.env));
} catch (error) {
  fail(error, log);
}

async function main(config: SiteConfig): Promise<void> {
  hearParent((message, socket) => hear(config, message, socket), log);
  process.on('SIGTERM', stop);
  process.on('SIGINT', () => {});
  if (config.mode === 'prepare') {
    const { recordings } = config.paths;
    if (existsSync(recordings)) accessSync(recordings, constants.R_OK | constants.W_OK);
    tell({ kind: 'prepared', schema: 0, pending: [], detail: { version: config.version } });
  } else if (config.mode === 'trial') tell({ kind: 'ready' });
  else await serve(config);
}

/** Becomes the one that writes recordings, under `config.generation`. */
async function serve(config: SiteConfig): Promise<void> {
  isBeginning = true;
  running = await openRelayDoors({ config, fenced: (error) => fail(error, log), log });
  tell({ kind: 'ready' });
  log.info({ generation: config.generation }, 'relay-ready');
  if (isStopping) stop();
}

function hear(config: SiteConfig, message: ToSite, socket: Socket | undefined): void {
  switch (message.kind) {
    case 'link':
      // The client comes back to whoever runs then.
      if (running === undefined || isStopping) socket?.destroy();
      else if (socket !== undefined && message.alpn === PAIR_DATA_ALPN) running.relay.takePairLink(socket, message.head);
      else if (socket !== undefined) running.agents.take(socket, message.head);
      return;
    case 'activate':
      if (config.mode === 'prepare' && !isBeginning && !isStopping)
        serve({ ...config, generation: message.generation }).catch((error: unknown) => fail(error, log));
      return;
    case 'stop':
      return stop();
    case 'health':
      return tell({ kind: 'health', nonce: message.nonce, ok: true, detail: health() });
  }
}

function health(): Record<string, number | boolean> {
  if (running === undefined) return { prepared: true };
  return {
    sessions: running.relay.sessionCount,
    uptimeMs: Date.now() - startedAtMs,
    rssBytes: process.memoryUsage.rss(),
  };
}

/** Links are told to come back, what came is on the disk, and the next relay finds its place in every recording at once. A relay that is just becoming ready stops when it is. */
function stop(): void {
  isStopping = true;
  if (isBeginning && running === undefined) return;
  running?.control.close();
  running?.viewers.close();
  endAfter(async () => running?.relay.stop(), STOP_LIMIT_MS, log);
}
