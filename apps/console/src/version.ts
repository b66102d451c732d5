import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readBundleAbout } from '@bascule/client/program-folder.ts';
import type { ClientBundleAbout } from '@bascule/protocol/client-program.ts';

/** Of a checkout: it is never upgraded. */
const CHECKOUT_REVISION = 'checkout';

/** Version and build of this console (B93): of the bundle, or of the checkout it runs from. */
export function aboutThisConsole(): Pick<ClientBundleAbout, 'version' | 'revision'> {
  const about = readBundleAbout(import.meta.dirname);
  if (about !== undefined) return { version: about.version, revision: about.revision };
  const manifest = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8')) as { version: string };
  return { version: manifest.version, revision: CHECKOUT_REVISION };
}
