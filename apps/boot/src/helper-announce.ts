import { spawn, type ChildProcess } from 'node:child_process';
import { Refused } from './helper-checks.ts';
import { placeOf } from './helper-programs.ts';

/** Programs that announce at one moment; each takes a second. */
export const ANNOUNCING_MAX = 16;
const ANNOUNCE_LIMIT_MS = 3_000;
const running = new Set<ChildProcess>();

/** What is missing on this machine for announcing addresses of `family`; undefined when nothing is. */
export function whyNotAnnounced(family: 4 | 6): string | undefined {
  if (family === 4) return placeOf('arping') === undefined ? 'iputils-arping is not installed' : undefined;
  return placeOf('ndptool') === undefined ? 'libndp-tools is not installed' : undefined;
}

/**
 * Says on the wire which machine has the address now, so that caches of neighbours and switches point here: a gratuitous ARP request and reply, or an unsolicited
 * neighbour advertisement (RFC 5227, 3; RFC 4861, 7.2.6). In the background: the packets leave at once, the programs end a second later. Throws `Refused`.
 */
export function announce({ device, address, family }: { device: string; address: string; family: 4 | 6 }): void {
  const missing = whyNotAnnounced(family);
  if (missing !== undefined) throw new Refused(missing);
  if (family === 6)
    return start('ndptool', ['--msg-type=na', '--unsolicited', `--target=${address}`, `--ifname=${device}`, 'send']);
  // Some listen to requests alone, some to replies alone.
  for (const kind of ['-U', '-A']) start('arping', [kind, '-c', '1', '-w', '1', '-I', device, '-s', address, address]);
}

function start(name: 'arping' | 'ndptool', args: readonly string[]): void {
  if (running.size >= ANNOUNCING_MAX) throw new Refused('too many announcements are under way');
  const child = spawn(placeOf(name)!, args, {
    stdio: 'ignore',
    cwd: '/',
    env: { LC_ALL: 'C.UTF-8' },
    timeout: ANNOUNCE_LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  running.add(child);
  const forget = (): void => void running.delete(child);
  child.once('exit', forget).once('error', forget);
}
