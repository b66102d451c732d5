/** The program that reads backups for base (protocol/restore-program.ts): one order, one answer, and gone. What a hostile file does to it, it does to nobody else. */
import { setPriority, constants } from 'node:os';
import { AppError } from '@bascule/errors/app-error.ts';
import { createLog } from '@bascule/log/log.ts';
import { restoreOrder, type FromRestoreProgram, type RestoreOrder } from '@bascule/protocol/restore-program.ts';

/** base hears how far it is no more often than this, and at least this often while something is done. */
const PROGRESS_INTERVAL_MS = 200;
const SIGN_OF_LIFE_MS = 10_000;
/** Of what it says when something went wrong. */
const TEXT_MAX_LENGTH = 1000;

const log = createLog('restore');
process.title = 'bascule-restore';
process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);
process.on('disconnect', () => process.exit(0));
// Ended by base: a signal to the whole group is not ours.
process.on('SIGINT', () => {});
giveWay();

let toldAtMs = -Infinity;
let lastTold = { done: 0, total: null as number | null };
let hasOrder = false;

process.on('message', (value: unknown) => {
  const order = restoreOrder.safeParse(value);
  if (hasOrder || !order.success)
    return fail(new AppError('internal', 'RESTORE_ORDER_INVALID', 'base gave an order that is none.'));
  hasOrder = true;
  // Reading a database through says nothing meanwhile.
  setInterval(() => tell({ kind: 'progress', ...lastTold }), SIGN_OF_LIFE_MS).unref();
  run(order.data).then((result) => tell({ kind: 'done', result }, () => process.exit(0)), fail);
});

async function run(order: RestoreOrder): Promise<unknown> {
  switch (order.kind) {
    case 'inspect': {
      const { look } = await import('./backup/restored-look.ts');
      return await look(order, log, progress);
    }
    case 'unpack': {
      const { unpack } = await import('./backup/restored-unpack.ts');
      return await unpack({ file: order.file, password: order.password }, order.target, progress);
    }
    case 'check': {
      const { checkDatabase } = await import('./backup/restored-unpack.ts');
      return await checkDatabase(order.folder);
    }
    case 'keep': {
      const { keep } = await import('./backup/restored-keep.ts');
      return await keep(order, log, (done) => progress(done, null));
    }
    case 'keep-late': {
      const { keepLate } = await import('./backup/restored-keep.ts');
      return await keepLate(order.folder, order.siteDir, order.contents, (done) => progress(done, null));
    }
  }
}

function progress(done: number, total: number | null): void {
  lastTold = { done, total };
  const nowMs = performance.now();
  if (nowMs - toldAtMs < PROGRESS_INTERVAL_MS) return;
  toldAtMs = nowMs;
  tell({ kind: 'progress', done, total });
}

/** The site that runs comes first. */
function giveWay(): void {
  try {
    setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  } catch (error) {
    log.warn({ err: error }, 'restore.gives-no-way');
  }
}

function tell(message: FromRestoreProgram, then: () => void = () => undefined): void {
  if (process.connected) process.send?.(message, then);
}

/** Says what went wrong, and ends. */
function fail(error: unknown): void {
  log.error({ err: error }, 'restore.failed');
  if (!process.connected) process.exit(1);
  tell(failureOf(error), () => process.exit(1));
}

/** What an error says may come out of the file. */
function cut(params: NonNullable<AppError['params']>): NonNullable<AppError['params']> {
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => [name, typeof value === 'string' ? value.slice(0, TEXT_MAX_LENGTH) : value]),
  );
}

function failureOf(error: unknown): FromRestoreProgram {
  if (error instanceof AppError)
    return {
      kind: 'failed',
      code: error.code,
      message: error.message.slice(0, TEXT_MAX_LENGTH),
      ...(error.params && { params: cut(error.params) }),
    };
  if ((error as NodeJS.ErrnoException).code === 'ENOSPC')
    return {
      kind: 'failed',
      code: 'RESTORE_DISK_FULL',
      message: 'The disk of the appliance is full. Free some space, then try again.',
    };
  const message = `The backup could not be read: ${error instanceof Error ? error.message : String(error)}`;
  return { kind: 'failed', code: 'RESTORE_FAILED', message: message.slice(0, TEXT_MAX_LENGTH) };
}
