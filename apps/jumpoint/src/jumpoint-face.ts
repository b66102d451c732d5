import type { Face } from '@bascule/client/face.ts';
import { RefusedSessions } from './refused-sessions.ts';

/** The Jumpoint: a client on a network that others are to be reached through. It opens no shells on its own machine. */
export const jumpointFace: Face = {
  program: 'jumpoint',
  command: 'bascule-jumpoint',
  sessions: (context) => new RefusedSessions(context),
};
