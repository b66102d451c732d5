/** The relay of a site: data links, viewer links, recordings; no database. Started by base (protocol/base-site.ts), told by site main (relay-control.ts). */
import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { createLog } from '@bascule/log/log.ts';
import type { ToSite } from '@bascule/protocol/base-site.ts';
import { PAIR_DATA_ALPN } from '@bascule/protocol/pair-link.ts';
import { GenerationCheck } from '@bascule/store/generation-file.ts';
import { readConfig, type SiteConfig } from './config/config.ts';
import { endAfter, fail, hearParent, tell } from './life/parent.ts';
import { AgentDoor } from './relay/agent-door.ts';
import { openRelayControl } from './relay/relay-control.ts';
import { Relay } from './relay/relay.ts';
import { openViewerDoor } from './relay/viewer-door.ts';

/** An orderly stop takes no longer; base kills after 3 s. */
const STOP_LIMIT_MS = 2500;

interface RunningRelay {
  relay: Relay;
  agents: AgentDoor;
  control: Server;
  viewers: Server;
}

const log = createLog('relay');
const startedAtMs = Date.now();
process.title = 'bascule-relay';
process.on('uncaughtException', (error) => fail(error, log));
process.on('unhandledRejection', (error) => fail(error, log));

let running: RunningRelay | undefined;
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
  const { paths } = config;
  for (const directory of [paths.recordings, paths.run]) mkdirSync(directory, { recursive: true, mode: 0o700 });
  const generation = new GenerationCheck(paths.generation, config.generation);
  const relay = new Relay({
    recordingsDir: paths.recordings,
    filesDir: paths.files,
    siteDir: paths.site,
    checkGeneration: () => generation.assertCurrent(),
    fenced: (error) => fail(error, log),
    log,
  });
  const agents = new AgentDoor((socket, client) => relay.acceptAgent(socket, client));
  const control = await openRelayControl({
    path: paths.relayControlSocket,
    log,
    onMain: (emit) => relay.setMain(emit),
    onMessage: (message) => {
      if (message.kind === 'configure') agents.configure(message.tls);
      relay.handle(message);
    },
  });
  const viewers = await openViewerDoor(paths.relaySocket, (socket, address) => relay.acceptViewer(socket, address));
  running = { relay, agents, control, viewers };
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
