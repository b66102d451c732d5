/**
 * Resets a password, or the second factor, straight on a database, when the appliance is stopped. As a program, for box.db:
 * `node offline-reset.ts --database PATH --kind boxAdministrator --name admin`; prints `{"password": ...}`, or `{}` with `--second-factor`. The site has its own program, since
 * opening site.db takes the migrations of all its domains.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { AppError } from '@bascule/errors/app-error.ts';
import { createLog, type Log } from '@bascule/log/log.ts';
import { userName } from '@bascule/protocol/api/auth.ts';
import { Store, SYSTEM } from '@bascule/store/store.ts';
import { accountMigrations } from './account-migrations.ts';
import type { AccountKind } from './account-parts.ts';
import { Accounts } from './accounts.ts';
import { openKeyWrap } from './key-wrap.ts';

const options = z.object({
  database: z.string().startsWith('/', 'must be an absolute path'),
  name: userName,
  kind: z.enum(['user', 'boxAdministrator']).optional(),
  'second-factor': z.boolean().default(false),
});
const CONTEXT = { ...SYSTEM, actor: { ...SYSTEM.actor, name: 'command line, appliance stopped' } };

export interface OfflineReset {
  kind: AccountKind;
  keyFile(database: string): string;
  open(options: { path: string; appliance: string; log: Log }): Store;
}

/** Reads the command line, resets, prints; a fault is one sentence on standard error and exit code 1. */
export async function resetOffline(how: OfflineReset): Promise<void> {
  try {
    process.stdout.write(`${JSON.stringify(await reset(how, readOptions(how.kind)))}\n`);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = error instanceof AppError && error.kind === 'invalid' ? 64 : 1;
  }
}

function readOptions(kind: AccountKind): z.infer<typeof options> {
  const text = { type: 'string' } as const;
  const known = { database: text, name: text, kind: text, 'second-factor': { type: 'boolean' } } as const;
  const parsed = options.safeParse(parseArgs({ options: known, strict: true }).values);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new AppError('invalid', 'OPTION_INVALID', `--${String(issue?.path[0])}: ${issue?.message}`);
  }
  if (parsed.data.kind !== undefined && parsed.data.kind !== kind)
    throw new AppError('invalid', 'OPTION_INVALID', `--kind: this program resets accounts of kind ${kind} only`);
  return parsed.data;
}

async function reset(how: OfflineReset, asked: z.infer<typeof options>): Promise<{ password?: string }> {
  const { database: path, name } = asked;
  // Opening would make one.
  if (!existsSync(path)) throw new AppError('not-found', 'DATABASE_MISSING', `There is no database ${path}.`);
  const log = createLog('offline-reset', 'silent');
  using store = how.open({ path, appliance: applianceIn(how, path, log), log });
  const limits = () => ({ idleMinutes: 1, maxHours: 1 });
  const keyWrap = openKeyWrap(how.keyFile(path));
  const accounts = new Accounts({ store, kind: how.kind, rpName: '', limits, keyWrap, log });
  if (!asked['second-factor']) return { password: await accounts.resetPassword(CONTEXT, name) };
  accounts.resetSecondFactor(CONTEXT, name);
  return {};
}

/** The appliance whose audit chain is to be continued: the one that wrote last. */
function applianceIn(how: OfflineReset, path: string, log: Log): string {
  using store = how.open({ path, appliance: 'unknown', log });
  return (
    store.get<{ appliance: string }>('SELECT appliance FROM audit_event ORDER BY sequence DESC LIMIT 1')?.appliance ?? 'unknown'
  );
}

if (import.meta.main) {
  await resetOffline({
    kind: 'boxAdministrator',
    keyFile: (database) => join(dirname(database), 'account.key'),
    open: ({ path, appliance, log }) => Store.open({ path, appliance, log, migrations: accountMigrations }),
  });
}
