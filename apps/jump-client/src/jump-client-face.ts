import type { Face } from '@bascule/client/face.ts';
import { probeShell } from './probe-shell.ts';
import { Sessions } from './sessions.ts';

/** The Jump Client: shells on the machine it is installed on. */
export const jumpClientFace: Face = {
  program: 'jump-client',
  command: 'bascule-jump-client',
  sessions: (context) => new Sessions(context),
  probeShell,
};
