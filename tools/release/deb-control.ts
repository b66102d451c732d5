/** The control files of the Debian package: what it says of itself (deb-control(5)), and the sums that `dpkg --verify` compares (deb-md5sums(5)). */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { BuiltSeed } from './deb-seed.ts';

/** Node 26 links these; a minimal Debian lacks libatomic1. passwd: the user bascule is made by its useradd. */
const DEPENDS = 'libc6 (>= 2.28), libstdc++6, libgcc-s1, libatomic1, passwd, hostname';
/** Without one of them the pages say what cannot be done. */
const RECOMMENDS = 'iproute2, iputils-arping, libndp-tools, iputils-ping, traceroute';
const MAINTAINER = 'The publisher of this package <root@localhost>';

export interface ControlFacts {
  version: string;
  architecture: string;
  installedKib: number;
  revision: string;
  seed: BuiltSeed;
}

export function controlText({ version, architecture, installedKib, revision, seed }: ControlFacts): string {
  const description = [
    'Bascule, an appliance for privileged remote access',
    ' boot and helper, the units of systemd, and base and site for an appliance that',
    ' has none yet. One that has newer software keeps it; what is newer here is',
    ' offered under /appliance > Updates, and never installed by itself.',
    ' .',
    ` Revision ${revision}, base ${seed.base.version}, site ${seed.site.version}.`,
    ` Update root ${seed.rootSha256}.`,
  ];
  const fields: [string, string][] = [
    ['Package', 'bascule-appliance'],
    ['Version', version],
    ['Architecture', architecture],
    ['Maintainer', MAINTAINER],
    ['Installed-Size', String(installedKib)],
    ['Depends', DEPENDS],
    ['Recommends', RECOMMENDS],
    ['Section', 'net'],
    ['Priority', 'optional'],
    ['Description', description.join('\n')],
  ];
  return fields.map(([field, value]) => `${field}: ${value}\n`).join('');
}

/** One line for each file below `tree` but the control files and conffiles, sorted; and how much room all of it takes. */
export function md5sumsText(tree: string): { text: string; installedKib: number } {
  const files = readdirSync(tree, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(tree, join(entry.parentPath, entry.name)))
    .filter((path) => !path.startsWith('DEBIAN/'))
    .toSorted();
  let bytes = 0;
  const lines = files.map((path) => {
    bytes += statSync(join(tree, path)).size;
    if (path.startsWith('etc/')) return '';
    return `${createHash('md5')
      .update(readFileSync(join(tree, path)))
      .digest('hex')}  ${path}\n`;
  });
  return { text: lines.join(''), installedKib: Math.ceil(bytes / 1024) };
}
