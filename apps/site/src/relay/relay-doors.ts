import { mkdirSync } from 'node:fs';
import type { Server } from 'node:net';
import type { Log } from '@bascule/log/log.ts';
import { GenerationCheck } from '@bascule/store/generation-file.ts';
import type { SiteConfig } from '../config/config.ts';
import { AgentDoor } from './agent-door.ts';
import { openRelayControl } from './relay-control.ts';
import { Relay } from './relay.ts';
import { openViewerDoor } from './viewer-door.ts';

export interface RelayDoors {
  relay: Relay;
  agents: AgentDoor;
  control: Server;
  viewers: Server;
}

export interface RelayDoorsOptions {
  config: SiteConfig;
  /** Another writer has taken the recordings over. */
  fenced(error: Error): void;
  /** As `AgentDoorOptions.alpn`. */
  alpn?: string;
  log: Log;
}

/** A relay with everything that leads to it, listening on the sockets of its run folder. It writes recordings under `config.generation`. */
export async function openRelayDoors({ config, fenced, alpn, log }: RelayDoorsOptions): Promise<RelayDoors> {
  const { paths } = config;
  for (const directory of [paths.recordings, paths.run]) mkdirSync(directory, { recursive: true, mode: 0o700 });
  const generation = new GenerationCheck(paths.generation, config.generation);
  const relay = new Relay({
    recordingsDir: paths.recordings,
    filesDir: paths.files,
    siteDir: paths.site,
    checkGeneration: () => generation.assertCurrent(),
    fenced,
    log,
  });
  const agents = new AgentDoor((socket, client) => relay.acceptAgent(socket, client), alpn === undefined ? {} : { alpn });
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
  return { relay, agents, control, viewers };
}
