/**
 * `node tools/release/source-facts.ts CHECKOUT`: prints what a manifest says of the software in a checkout, as JSON: the versions of the migrations that its base and
 * site know, and the oldest protocol of control links that it speaks. Asked from the software itself (its constants, new databases that it makes), so that no list is kept
 * twice.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';

const opened = z.custom<{ all(sql: string): unknown[]; close(): void }>(
  (value) => typeof value === 'object' && value !== null && 'all' in value && 'close' in value,
);
const applied = z.array(z.object({ version: z.number().int() }));
const opener = z.custom<(options: { path: string; appliance: string; log: unknown }) => unknown>(
  (value) => typeof value === 'function',
);

const spoken = z.object({ PROTOCOL_VERSIONS: z.array(z.number().int().positive()).min(1) });

const source = resolve(process.argv[2] ?? '.');
const directory = mkdtempSync(join(tmpdir(), 'bascule-migrations-'));
try {
  const base = await migrationsOf('apps/base/src/box-store.ts', 'openBoxStore');
  const site = await migrationsOf('apps/site/src/site-store.ts', 'openSiteStore');
  const { PROTOCOL_VERSIONS } = spoken.parse(await importFrom('packages/protocol/src/control-link.ts'));
  process.stdout.write(`${JSON.stringify({ migrations: { base, site }, oldestProtocol: Math.min(...PROTOCOL_VERSIONS) })}\n`);
} finally {
  rmSync(directory, { recursive: true, force: true });
}

async function migrationsOf(file: string, name: string): Promise<number[]> {
  const { createLog } = (await importFrom('packages/log/src/log.ts')) as { createLog(program: string, level: string): unknown };
  const open = opener.parse((await importFrom(file))[name]);
  const store = opened.parse(
    open({ path: join(directory, `${name}.db`), appliance: 'release', log: createLog('release', 'silent') }),
  );
  try {
    return applied.parse(store.all('SELECT version FROM applied_migration ORDER BY version')).map(({ version }) => version);
  } finally {
    store.close();
  }
}

async function importFrom(file: string): Promise<Record<string, unknown>> {
  return (await import(pathToFileURL(join(source, file)).href)) as Record<string, unknown>;
}
