import {
  accessSync,
  constants,
  lstatSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
  type Stats,
} from 'node:fs';
import { join } from 'node:path';
import { checkDomain, checkHostName, checkServer, checkWords, Refused } from './helper-checks.ts';

export const SERVERS_MAX = 3;
export const SEARCH_MAX = 6;
/** What base is told of resolv.conf and hosts; larger files are somebody's own. */
const FILE_MAX_BYTES = 64 * 1024;
const FIRST_LINE =
  '# Written by Bascule (/appliance > Networking > Host name and DNS). What was here before is in resolv.conf.before-bascule.';
/** What others write into a resolv.conf that is theirs. */
const MANAGERS: [sign: RegExp, name: string][] = [
  [/systemd-resolved/i, 'systemd-resolved'],
  [/NetworkManager/i, 'NetworkManager'],
  [/resolvconf/i, 'resolvconf'],
  [/dhclient|dhcpcd/i, 'the DHCP client'],
  [/Docker Engine|podman|Kubernetes/i, 'the container engine'],
];

/** Where the machine keeps its name and its name servers. */
export interface HostPlaces {
  etc: string;
  /** The kernel's name of this machine. */
  kernelName: string;
}
export const HOST_PLACES: HostPlaces = { etc: '/etc', kernelName: '/proc/sys/kernel/hostname' };

/** Why something may not be changed. */
export type NotChangeable = 'read-only' | 'managed' | 'not-permitted';

export interface HostLook {
  cannotName: NotChangeable | null;
  cannotResolve: NotChangeable | null;
  resolverManager: string | null;
}

/** The machine's name and its name servers: files of the operating system, which are changed only where nobody else looks after them. */
export class OwnHost {
  readonly #places: HostPlaces;

  constructor(places: HostPlaces) {
    this.#places = places;
  }

  /** What could be changed, and why not. */
  look(): HostLook {
    const { manager, refused } = this.#resolver();
    return { cannotName: this.#whyNotNamed(), cannotResolve: refused, resolverManager: manager };
  }

  /** Names the machine, now and for its next start; its line `127.0.1.1` in hosts follows. */
  setName({ name }: { name: string }): null {
    checkHostName(name);
    const why = this.#whyNotNamed();
    if (why !== null) throw new Refused(`the machine cannot be named from here: ${why}`);
    const { etc, kernelName } = this.#places;
    const before = readFileSync(kernelName, 'utf8').trim();
    replaceFile(join(etc, 'hostname'), `${name}\n`);
    writeFileSync(kernelName, name);
    this.#renameInHosts(before, name);
    return null;
  }

  /** `servers`, `search`: with spaces between; both empty: what was there before is put back. */
  setResolver({ servers, search }: { servers: string; search: string }): null {
    const addresses = checkWords('servers', servers, SERVERS_MAX).map(checkServer);
    const domains = checkWords('search', search, SEARCH_MAX).map(checkDomain);
    const { refused, manager, text } = this.#resolver();
    if (refused === 'managed') throw new Refused(`resolv.conf is looked after by ${manager}`);
    if (refused !== null) throw new Refused(`resolv.conf cannot be written: ${refused}`);
    const isOurs = text.startsWith(FIRST_LINE);
    if (addresses.length === 0 && domains.length === 0) {
      if (isOurs) this.#putBack();
      return null;
    }
    if (!isOurs) writeFileSync(this.#beforeFile, text, { mode: 0o644 });
    const kept = text.split('\n').filter((line) => /^\s*(options|sortlist)\s/.test(line));
    const lines = [
      FIRST_LINE,
      ...addresses.map((address) => `nameserver ${address}`),
      ...(domains.length > 0 ? [`search ${domains.join(' ')}`] : []),
      ...kept,
    ];
    replaceFile(this.#resolvFile, `${lines.join('\n')}\n`);
    return null;
  }

  get #resolvFile(): string {
    return join(this.#places.etc, 'resolv.conf');
  }

  get #beforeFile(): string {
    return join(this.#places.etc, 'resolv.conf.before-bascule');
  }

  #putBack(): void {
    let before = '';
    try {
      before = readFileSync(this.#beforeFile, 'utf8');
    } catch {
      // Somebody took it away: nothing is known any more of what was there.
    }
    replaceFile(this.#resolvFile, before);
    rmSync(this.#beforeFile, { force: true });
  }

  #whyNotNamed(): NotChangeable | null {
    if (!isWritable(this.#places.kernelName)) return 'not-permitted';
    const file = statOf(join(this.#places.etc, 'hostname'));
    if (file?.isSymbolicLink() === true) return 'managed';
    return isWritable(this.#places.etc) ? null : 'read-only';
  }

  /** Who looks after resolv.conf, and what it says. */
  #resolver(): { manager: string | null; refused: NotChangeable | null; text: string } {
    const file = this.#resolvFile;
    const stat = statOf(file);
    if (stat?.isSymbolicLink() === true) {
      const target = readlinkSync(file);
      const manager =
        MANAGERS.find(([sign]) => sign.test(target))?.[1] ?? (/systemd\/resolve/.test(target) ? 'systemd-resolved' : target);
      return { manager, refused: 'managed', text: '' };
    }
    if (stat !== undefined && (!stat.isFile() || stat.size > FILE_MAX_BYTES))
      return { manager: null, refused: 'read-only', text: '' };
    const text = stat === undefined ? '' : readFileSync(file, 'utf8');
    const comments = text.split('\n').filter((line) => /^\s*[#;]/.test(line) && line !== FIRST_LINE);
    const manager = MANAGERS.find(([sign]) => comments.some((line) => sign.test(line)))?.[1];
    if (manager !== undefined) return { manager, refused: 'managed', text };
    const isFree = isWritable(this.#places.etc) && (stat === undefined || isWritable(file));
    return { manager: null, refused: isFree ? null : 'read-only', text };
  }

  /** Debian writes the machine's name beside 127.0.1.1, so that it can be looked up without a network. */
  #renameInHosts(before: string, name: string): void {
    const file = join(this.#places.etc, 'hosts');
    const stat = statOf(file);
    if (stat?.isFile() !== true || stat.size > FILE_MAX_BYTES || !isWritable(file)) return;
    const text = readFileSync(file, 'utf8');
    const renamed = text
      .split('\n')
      .map((line) =>
        /^127\.0\.1\.1\s/.test(line) && line.split(/\s+/).includes(before)
          ? `127.0.1.1\t${[...new Set([name, name.split('.')[0]])].join(' ')}`
          : line,
      )
      .join('\n');
    if (renamed !== text) replaceFile(file, renamed);
  }
}

function statOf(file: string): Stats | undefined {
  return lstatSync(file, { throwIfNoEntry: false });
}

/** Whether this program may write there: a file system that is mounted read-only is told by the kernel to root as well. */
function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** All or nothing; in place where the file is a mount point, as container engines make it. */
function replaceFile(file: string, text: string): void {
  const next = `${file}.bascule-new`;
  writeFileSync(next, text, { mode: 0o644 });
  try {
    renameSync(next, file);
  } catch (error) {
    rmSync(next, { force: true });
    if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
    writeFileSync(file, text);
  }
}
