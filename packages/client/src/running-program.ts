import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClientBundleAbout, ClientPlatform, ClientProgram } from '@bascule/protocol/client-program.ts';
import { readBundleAbout } from './program-folder.ts';

/** What this process is: bascule-client.json beside the bundle, or in a checkout the version of the sources. Throws when the file is damaged. */
export function runningProgram(program: ClientProgram): ClientBundleAbout {
  const about = readBundleAbout(import.meta.dirname);
  if (about !== undefined) return about;
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8')) as { version: string };
  const platform: ClientPlatform = process.platform === 'win32' ? 'win32-x64' : 'linux-x64';
  return { format: 'bascule-client/1', program, version, revision: 'checkout', platform };
}
