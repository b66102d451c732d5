import { existsSync } from 'node:fs';
import { Refused } from './helper-checks.ts';
import { placeOf, run } from './helper-programs.ts';

/** There while systemd is the first program of the machine (sd_booted(3)). */
const SYSTEMD_RUNS = '/run/systemd/system';
/** What container managers leave: the machine around it is none of ours. */
const CONTAINER_MARKS = ['/run/systemd/container', '/run/.containerenv', '/.dockerenv'];
/** systemctl hands the order to systemd and returns. */
const ORDER_LIMIT_MS = 5_000;

/** Whether this program may switch the machine off: as root, under systemd, in no container. `exists`: for tests. */
export function mayPowerOff(exists: (path: string) => boolean = existsSync, uid: number = process.getuid?.() ?? -1): boolean {
  return uid === 0 && exists(SYSTEMD_RUNS) && !CONTAINER_MARKS.some(exists) && placeOf('systemctl') !== undefined;
}

/** Shuts the machine down, or restarts it, in order: services are stopped as systemd stops them. Throws `Refused`. */
export async function power(order: 'poweroff' | 'reboot'): Promise<null> {
  const systemctl = placeOf('systemctl');
  if (systemctl === undefined) throw new Refused('systemctl is not installed');
  const { code, error } = await run(systemctl, ['--no-block', '--no-ask-password', order], ORDER_LIMIT_MS);
  if (code !== 0) throw new Refused(`systemctl did not take the order: ${error.trim().slice(0, 200)}`);
  return null;
}
