/** What is looked at before a site is moved here, each as one line for a person. Pure: what was found comes in. */
import type { MoveCheck, OldBoxAnswer } from '@bascule/protocol/api/move.ts';
import { compareVersions } from '@bascule/package-format/version.ts';

export const CLOCK_AMBER_MS = 2000;
export const CLOCK_RED_MS = 60_000;
/** Beyond the database; establishing looks at the recordings, too. */
export const FREE_SPACE_RESERVE_BYTES = 1024 * 1024 * 1024;

type Look = Extract<OldBoxAnswer, { kind: 'look' }>;

/** What this box is. */
export interface NewBox {
  appliance: string;
  siteVersion: string;
  publicHost: string;
  publicPort: number;
  freeBytes: number;
  nowMs: number;
  role: string | null;
  clientsOnline: number | null;
}

export function moveChecks(old: Look, own: NewBox): MoveCheck[] {
  return [
    nameCheck(old, own),
    versionCheck(old, own),
    roleCheck(old, own),
    hostCheck(old, own),
    spaceCheck(old, own),
    clockCheck(old, own),
    emptyCheck(own),
  ];
}

function line(code: string, outcome: MoveCheck['outcome'], text: string, params: MoveCheck['params'] = {}): MoveCheck {
  return { code, outcome, text, params };
}

function nameCheck({ appliance }: Look, own: NewBox): MoveCheck {
  const params = { name: appliance };
  if (appliance.toLowerCase() !== own.appliance.toLowerCase())
    return line('name', 'green', `The two boxes have names of their own: ${appliance} and ${own.appliance}.`, {
      ...params,
      own: own.appliance,
    });
  const text = `Both boxes are called ${appliance}: start this one with another --appliance NAME, so that people can tell them apart.`;
  return line('name', 'red', text, params);
}

function versionCheck({ siteVersion }: Look, own: NewBox): MoveCheck {
  const params = { old: siteVersion, own: own.siteVersion };
  if (compareVersions(own.siteVersion, siteVersion) >= 0)
    return line('version', 'green', `This box runs ${own.siteVersion}, the old one ${siteVersion}.`, params);
  const text = `This box runs ${own.siteVersion}, older than ${siteVersion} of the old one: upgrade this box first (Updates).`;
  return line('version', 'red', text, params);
}

function roleCheck({ role }: Look, own: NewBox): MoveCheck {
  if (role !== 'single')
    return line(
      'role',
      'red',
      role === null
        ? 'The site of the old box does not answer: start it, or restore a backup here.'
        : 'The old box is in a failover relationship: break it there first (Management > Failover), and establish it again from here afterwards.',
      { role: role ?? 'none' },
    );
  if (own.role !== 'single' && own.role !== 'read-only')
    return line('role', 'red', 'This box is in a failover relationship itself: break it first.', { role: own.role ?? 'none' });
  return line('role', 'green', 'Neither box is in a failover relationship.');
}

function hostCheck({ publicHost, publicPort }: Look, own: NewBox): MoveCheck {
  const [theirs, ours] = [`${publicHost}:${publicPort}`, `${own.publicHost}:${own.publicPort}`];
  const params = { old: theirs, own: ours };
  if (theirs.toLowerCase() === ours.toLowerCase())
    return line('host', 'green', `Both boxes are set up for ${theirs}, the name that people and clients use.`, params);
  const text = `People and clients know the site as ${theirs}; this box is set up as ${ours}. Start it with the old name (--name), or clients that were away will not find it once the old box is gone.`;
  return line('host', 'amber', text, params);
}

function spaceCheck({ databaseBytes }: Look, { freeBytes }: NewBox): MoveCheck {
  const needed = (databaseBytes ?? 0) + FREE_SPACE_RESERVE_BYTES;
  const params = { needed, free: freeBytes };
  if (freeBytes >= needed) return line('space', 'green', 'There is enough room on the disk of this box.', params);
  return line(
    'space',
    'red',
    `The disk of this box has ${mebibytes(freeBytes)} MiB free; ${mebibytes(needed)} MiB are needed.`,
    params,
  );
}

function clockCheck({ nowMs }: Look, own: NewBox): MoveCheck {
  const offMs = Math.abs(nowMs - own.nowMs);
  const params = { seconds: Math.round(offMs / 1000) };
  const text = `The clocks of the two boxes differ by ${params.seconds} s.`;
  return line('clock', offMs >= CLOCK_RED_MS ? 'red' : offMs >= CLOCK_AMBER_MS ? 'amber' : 'green', text, params);
}

function emptyCheck({ clientsOnline }: NewBox): MoveCheck {
  if ((clientsOnline ?? 0) === 0)
    return line('empty', 'green', 'No client is connected to this box: what it holds is archived, and nobody misses it.');
  const text = `${clientsOnline} clients are connected to this box: they belong to what it holds now, which is archived, and will not come back.`;
  return line('empty', 'amber', text, { clients: clientsOnline ?? 0 });
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 1024 / 1024);
}
