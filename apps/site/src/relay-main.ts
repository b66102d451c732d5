/** The relay of a site: data links, viewer links, recordings; no database. Started by base (protocol/base-site.ts), told by site main (relay-control.ts). */
import { mkdirSync } from 'node:fs';
import type { Socket } from 'node:net';
import { sitePaths } from '@bascule/core/home.ts';
import { createLog } from '@bascule/log/log.ts';
import { siteStart, toSite, type FromSite } from '@bascule/protocol/base-site.ts';
import { GenerationCheck } from '@bascule/store/generation-file.ts';
import { AgentDoor } from './relay/agent-door.ts';
import { openRelayControl } from './relay/relay-control.ts';
import { Relay } from './relay/relay.ts';
import { openViewerDoor } from './relay/viewer-door.ts';

const STOP_LIMIT_MS = 5000;

const log = createLog('relay');
const startedAtMs = Date.now();

try {
  await main();
} catch (error) {
  fail(error instanceof Error ? error : new Error(String(error)));
}

async function main(): Promise<void> {
  const start = siteStart.parse(JSON.parse(process.env['BASCULE_SITE'] ?? '{}'));
  process.title = 'bascule-relay';
  const paths = sitePaths(start.siteDir);
  for (const directory of [paths.recordings, paths.run]) mkdirSync(directory, { recursive: true, mode: 0o700 });
  const generation = new GenerationCheck(paths.generation, start.generation);
  const relay = new Relay({
    recordingsDir: paths.recordings,
    checkGeneration: () => generation.assertCurrent(),
    fenced: fail,
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

  const stop = () => {
    setTimeout(() => process.exit(0), STOP_LIMIT_MS).unref();
    control.close();
    viewers.close();
    void relay.stop().then(() => process.exit(0));
  };
  process.on('message', (value: unknown, handle: unknown) => {
    const message = toSite.safeParse(value);
    if (!message.success) return log.warn({ field: message.error.issues[0]?.path.join('.') }, 'relay-message-refused');
    if (message.data.kind === 'link' && handle) agents.take(handle as Socket, message.data.head);
    if (message.data.kind === 'health')
      tell({
        kind: 'health',
        nonce: message.data.nonce,
        ok: true,
        detail: { sessions: relay.sessionCount, uptimeMs: Date.now() - startedAtMs, rssBytes: process.memoryUsage.rss() },
      });
    if (message.data.kind === 'stop') stop();
  });
  // Without its parent nobody would restart, route or fence this program.
  process.on('disconnect', () => process.exit(0));
  process.on('SIGTERM', stop);
  process.on('SIGINT', () => {});
  tell({ kind: 'ready' });
  log.info({ generation: start.generation }, 'relay-ready');
}

function tell(message: FromSite): void {
  // A parent that died a moment ago makes this fail; 'disconnect' follows and ends the program.
  if (process.connected) process.send?.(message, () => {});
}

/** Says why and exits: base starts the relay anew, agents and viewers come back to it. */
function fail(error: Error): void {
  log.error({ error: error.message }, 'relay-failed');
  if (!process.connected) process.exit(1);
  process.send?.({ kind: 'failed', message: error.message } satisfies FromSite, () => process.exit(1));
}
