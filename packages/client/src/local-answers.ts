import type { ClientBundleAbout } from '@bascule/protocol/client-program.ts';
import type { ClientStatus, ConnectedClient } from './connected-client.ts';
import type { LocalAnswer, LocalCommand } from './local-control.ts';
import type { ClientOptions } from './options.ts';
import { plannedRemoval } from './uninstall.ts';

const DONE = 0;
const NOT_CONNECTED = 1;
const CANNOT = 2;
const HOUR_MS = 60 * 60_000;
const MINUTE_MS = 60_000;

/** Does what a person on the machine asks for, and says so in plain words (exit codes: docs/spec/client-supervisor.md, section 6). */
export async function answerLocally(
  command: LocalCommand,
  client: ConnectedClient,
  { about, options }: { about: ClientBundleAbout; options: ClientOptions },
): Promise<LocalAnswer> {
  if (command === 'check-in') {
    const { connected } = client.status();
    client.checkIn();
    return { code: DONE, lines: [connected ? 'It is connected already.' : 'Checking in now.'] };
  }
  if (command === 'status') return statusAnswer(client.status(), about, options);
  try {
    plannedRemoval(options.folder);
  } catch (error) {
    return { code: CANNOT, lines: [(error as Error).message] };
  }
  // Answered first: there is nobody left to answer afterwards.
  setImmediate(() => void client.uninstall());
  return { code: DONE, lines: ['It is removed from this machine now.'] };
}

const STATES: Record<NonNullable<ClientStatus['state']>, string> = {
  approved: 'approved',
  'waiting-for-approval': 'waiting for an administrator to approve it',
  'to-be-confirmed': 'waiting for an administrator to confirm it',
  held: 'held: another machine uses the same identity',
};

function statusAnswer(status: ClientStatus, about: ClientBundleAbout, options: ClientOptions): LocalAnswer {
  const { connected, state, sessions, settings, checkInMs, upgrade } = status;
  const isResting = checkInMs !== undefined;
  const connection = connected
    ? 'connected'
    : isResting
      ? `not connected; checks in within ${duration(checkInMs)}`
      : 'not connected; trying';
  const lines = [
    `Program:    ${about.program} ${about.version} (${about.revision})`,
    `Appliance:  ${options.host}:${options.port}${options.proxy === undefined ? '' : ` through the proxy ${options.proxy.host}:${options.proxy.port}`}`,
    `Connection: ${connection}`,
    ...(state === undefined ? [] : [`State:      ${STATES[state]}`]),
    `Mode:       ${settings.mode === 'active' ? 'active: stays connected' : `passive: checks in every ${settings.checkInHours} hours`}`,
    `Sessions:   ${sessions}`,
    ...(upgrade === undefined
      ? []
      : [`Upgrade:    to ${upgrade.version}: ${upgrade.state}${upgrade.reason === undefined ? '' : ` (${upgrade.reason})`}`]),
  ];
  return { code: connected || isResting ? DONE : NOT_CONNECTED, lines };
}

function duration(ms: number): string {
  return ms >= HOUR_MS ? `${Math.ceil(ms / HOUR_MS)} hours` : `${Math.ceil(ms / MINUTE_MS)} minutes`;
}
