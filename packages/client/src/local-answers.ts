import { setTimeout as delay } from 'node:timers/promises';
import type { ClientBundleAbout } from '@bascule/protocol/client-program.ts';
import type { ConnectedClient } from './connected-client.ts';
import type { ClientStatus } from './connected-client-parts.ts';
import type { LocalAnswer, LocalCommand } from './local-control.ts';
import type { ClientOptions } from './options.ts';
import { plannedRemoval } from './uninstall.ts';

const DONE = 0;
const NOT_CONNECTED = 1;
const CANNOT = 2;
const HOUR_MS = 60 * 60_000;
const MINUTE_MS = 60_000;

/** A check-in is answered within this; below the limit after which whoever asked gives up (local-control.ts). */
const CHECK_IN_WAIT_MS = 8_000;
const CHECK_IN_LOOK_EVERY_MS = 100;

/** Whether the client was connected at some time within the limit. */
async function reached(client: Pick<ConnectedClient, 'status'>): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < CHECK_IN_WAIT_MS; waitedMs += CHECK_IN_LOOK_EVERY_MS) {
    if (client.status().connected) return true;
    await delay(CHECK_IN_LOOK_EVERY_MS);
  }
  return client.status().connected;
}

/** Does what a person on the machine asks for, and says so in plain words (exit codes: docs/spec/client-supervisor.md, section 6). */
export async function answerLocally(
  command: LocalCommand,
  client: ConnectedClient,
  { about, options }: { about: ClientBundleAbout; options: ClientOptions },
): Promise<LocalAnswer> {
  if (command === 'check-in') {
    if (client.status().connected) return { code: DONE, lines: ['It is connected already.'] };
    client.checkIn();
    const isReached = await reached(client);
    const where = client.status().site;
    return isReached
      ? { code: DONE, lines: [`Checked in: it reached the appliance at ${where}.`] }
      : {
          code: NOT_CONNECTED,
          lines: [`It could not reach the appliance at ${where} yet, and goes on trying. Its log says why.`],
        };
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
  const { connected, state, site, sessions, settings, checkInMs, upgrade, rehearsal } = status;
  const isResting = checkInMs !== undefined;
  const connection = connected
    ? 'connected'
    : isResting
      ? `not connected; checks in within ${duration(checkInMs)}`
      : 'not connected; trying';
  const lines = [
    `Program:    ${about.program} ${about.version} (${about.revision})`,
    `Appliance:  ${site}${options.proxy === undefined ? '' : ` through the proxy ${options.proxy.host}:${options.proxy.port}`}`,
    `Connection: ${connection}`,
    ...(settings.addresses === undefined
      ? []
      : [`Addresses:  ${settings.addresses.map(({ host, port }) => `${host}:${port}`).join(', ')}`]),
    ...(state === undefined ? [] : [`State:      ${STATES[state]}`]),
    `Mode:       ${settings.mode === 'active' ? 'active: stays connected' : `passive: checks in every ${settings.checkInHours} hours`}`,
    `Sessions:   ${sessions}`,
    ...(rehearsal === undefined
      ? []
      : [
          `Test:       of the standby at ${rehearsal.site}, ${rehearsal.connected ? 'connected' : 'not connected'}; its sessions: ${rehearsal.sessions}`,
        ]),
    ...(upgrade === undefined
      ? []
      : [`Upgrade:    to ${upgrade.version}: ${upgrade.state}${upgrade.reason === undefined ? '' : ` (${upgrade.reason})`}`]),
  ];
  return { code: connected || isResting ? DONE : NOT_CONNECTED, lines };
}

function duration(ms: number): string {
  return ms >= HOUR_MS ? `${Math.ceil(ms / HOUR_MS)} hours` : `${Math.ceil(ms / MINUTE_MS)} minutes`;
}
