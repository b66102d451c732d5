import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { clientBundleAbout, type ClientBundleAbout } from '@bascule/protocol/client-program.ts';

/** Of a checkout: it is never upgraded. */
const CHECKOUT_REVISION = 'checkout';

/** Version and build of this console (B93): `bascule-client.json` beside the bundle, or the package's of a checkout. */
export function aboutThisConsole(folder: string = import.meta.dirname): Pick<ClientBundleAbout, 'version' | 'revision'> {
  const about = readJson(join(folder, 'bascule-client.json'));
  if (about !== undefined) return clientBundleAbout.parse(about);
  const { version } = readJson(join(folder, '..', 'package.json')) as { version: string };
  return { version, revision: CHECKOUT_REVISION };
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
