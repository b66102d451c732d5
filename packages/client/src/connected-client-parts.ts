import type { Log } from '@bascule/log/log.ts';
import type { ClientBundleAbout, ClientSettings, UpgradeReport } from '@bascule/protocol/client-program.ts';
import type { ToClient } from '@bascule/protocol/control-link.ts';
import type { ClientHome } from './client-home.ts';
import type { Face } from './face.ts';
import type { ClientOptions } from './options.ts';
import type { RehearsalStatus } from './rehearsals.ts';
import type { SupervisorChannel } from './supervisor-channel.ts';

export interface ConnectedClientParts {
  options: ClientOptions;
  face: Face;
  about: ClientBundleAbout;
  home: ClientHome;
  supervisor: SupervisorChannel | undefined;
  log: Log;
}

/** For `bascule-client status`. */
export interface ClientStatus {
  connected: boolean;
  state: Extract<ToClient, { kind: 'accepted' }>['state'] | undefined;
  /** HOST:PORT: where it is connected, or dials. */
  site: string;
  sessions: number;
  settings: ClientSettings;
  /** Until the next check-in of a passive client that is not connected. */
  checkInMs: number | undefined;
  upgrade: UpgradeReport | undefined;
  /** The test of the standby that it takes part in. */
  rehearsal: RehearsalStatus | undefined;
}
