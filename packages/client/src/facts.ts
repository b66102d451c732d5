import { readFileSync } from 'node:fs';
import { arch, hostname, networkInterfaces, release, type, userInfo, version } from 'node:os';
import type { ClientFacts } from '@bascule/protocol/control-link.ts';

const ADDRESSES_LIMIT = 16;

/** What this machine says about itself (protocol `clientFacts`); `programVersion` is the program's. */
export function readFacts(programVersion: string): ClientFacts {
  return {
    hostName: hostname().slice(0, 255),
    os: osName().slice(0, 255),
    arch: arch(),
    addresses: Object.values(networkInterfaces())
      .flatMap((list) => list ?? [])
      .filter((address) => !address.internal && !address.address.startsWith('fe80:'))
      .map((address) => address.address)
      .sort()
      .slice(0, ADDRESSES_LIMIT),
    user: userInfo().username.slice(0, 64),
    version: programVersion,
  };
}

function osName(): string {
  if (process.platform === 'win32') return `${version()} ${release()}`;
  try {
    const pretty = /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
    if (pretty !== undefined && pretty !== '') return pretty;
  } catch {
    // Not every system has the file; the kernel's name will do.
  }
  return `${type()} ${release()}`;
}
