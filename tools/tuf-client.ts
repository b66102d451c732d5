/**
 * The client of the independent TUF conformance suite (theupdateframework/tuf-conformance, CLIENT-CLI.md): the appliance's verifier, store and downloader behind
 * that suite's command line. See docs/spec/package-format.md, 8.
 *
 *   tuf-client.ts --metadata-dir DIR init TRUSTED_ROOT
 *   tuf-client.ts --metadata-dir DIR --metadata-url URL refresh
 *   tuf-client.ts --metadata-dir DIR --metadata-url URL --target-name NAME... --target-base-url URL --target-dir DIR download
 *
 * Exit code 0 or 1.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { consistentPath } from '@bascule/package-format/consistent-path.ts';
import { downloadSigned, hasHashes } from '@bascule/package-format/download.ts';
import { HttpMirror } from '@bascule/package-format/http-mirror.ts';
import { MetadataStore } from '@bascule/package-format/metadata-store.ts';
import { parseRoot } from '@bascule/package-format/trusted-view.ts';
import { withTufSession, type TufSession } from '@bascule/package-format/tuf-session.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'metadata-dir': { type: 'string' },
    'metadata-url': { type: 'string' },
    'target-name': { type: 'string', multiple: true },
    'target-base-url': { type: 'string' },
    'target-dir': { type: 'string' },
  },
});

try {
  await run();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}

async function run(): Promise<void> {
  const metadata = needed('metadata-dir');
  const store = await MetadataStore.open({ metadata, roots: join(metadata, 'roots'), scratch: join(metadata, 'scratch') });
  const [command, trustedRoot] = positionals;
  if (command === 'init' && trustedRoot !== undefined) return init(store, trustedRoot);
  const metadataUrl = needed('metadata-url');
  const mirror = new HttpMirror({ url: metadataUrl, metadataUrl, targetsUrl: values['target-base-url'] ?? metadataUrl });
  await withTufSession(store, { mirror, now: Date.now }, async (session) => {
    await session.refresh();
    if (command === 'download') for (const name of values['target-name'] ?? []) await download(session, mirror, name);
    else if (command !== 'refresh') throw new Error(`There is no command '${command}'; there are init, refresh and download.`);
  });
}

/** The suite has the client believe its first root unseen, as a person does who confirms a fingerprint. */
async function init(store: MetadataStore, file: string): Promise<void> {
  const bytes = await readFile(file);
  await store.reset(bytes, parseRoot(bytes)?.signed.version ?? 0);
}

async function download(session: TufSession, mirror: HttpMirror, name: string): Promise<void> {
  const found = await session.lookUp(name);
  if (!found) throw new Error(`Nobody signed a target of the name ${name}.`);
  const file = join(needed('target-dir'), encodeURIComponent(found.path));
  if (await hasHashes(file, found.hashes).catch(() => false)) return;
  const hash = Object.values(found.hashes)[0];
  const isConsistent = await session.hasConsistentSnapshots();
  const remotePath = isConsistent && hash !== undefined ? consistentPath(found.path, hash) : found.path;
  await downloadSigned(file, { name, remotePath, lengthBytes: found.length, hashes: found.hashes }, mirror);
}

function needed(option: 'metadata-dir' | 'metadata-url' | 'target-dir'): string {
  const value = values[option];
  if (value === undefined) throw new Error(`--${option} is missing.`);
  return value;
}
