import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseServer } from './network-ntp-query.ts';

/** As many as the settings hold. */
export const HOST_SERVERS_MAX = 4;
const CONFIGURATION_MAX_BYTES = 64 * 1024;

/** Where time services of Linux keep their servers, relative to the root of the file system. */
const LINE_FILES = ['etc/chrony/chrony.conf', 'etc/chrony.conf', 'etc/ntpsec/ntp.conf', 'etc/ntp.conf'];
const CHRONY_SOURCES = ['etc/chrony/sources.d', 'run/chrony-dhcp'];
const TIMESYNCD_FILES = ['etc/systemd/timesyncd.conf'];

/**
 * The servers that this machine's own time service is configured with (chrony, ntpd, systemd-timesyncd), at most HOST_SERVERS_MAX; none when there is no
 * such service or its files cannot be read.
 */
export function hostServers(root = '/'): string[] {
  const found = [
    ...LINE_FILES.flatMap((file) => serversOfLines(read(join(root, file)))),
    ...CHRONY_SOURCES.flatMap((folder) => filesIn(join(root, folder)).flatMap((file) => serversOfLines(read(file)))),
    ...TIMESYNCD_FILES.flatMap((file) => serversOfTimesyncd(read(join(root, file)))),
  ];
  return [...new Set(found)].filter((server) => parseServer(server) !== undefined).slice(0, HOST_SERVERS_MAX);
}

/** Whether the machine's own service says that the clock is synchronised (systemd-timesyncd(8)); null when it does not say. */
export function hostSynchronised(root = '/'): boolean | null {
  const folder = join(root, 'run/systemd/timesync');
  return existsSync(folder) ? existsSync(join(folder, 'synchronized')) : null;
}

function serversOfLines(text: string): string[] {
  return Array.from(text.matchAll(/^\s*(?:server|pool|peer)\s+(\S+)/gm), (match) => match[1] ?? '').filter(
    (server) => !server.startsWith('127.127.'), // A reference clock of ntpd, no server.
  );
}

function serversOfTimesyncd(text: string): string[] {
  return ['NTP', 'FallbackNTP'].flatMap((name) =>
    Array.from(text.matchAll(new RegExp(`^\\s*${name}\\s*=(.*)$`, 'gm'))).flatMap((match) =>
      (match[1] ?? '').split(/\s+/).filter((server) => server !== ''),
    ),
  );
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.sources'))
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8').slice(0, CONFIGURATION_MAX_BYTES);
  } catch {
    return '';
  }
}
