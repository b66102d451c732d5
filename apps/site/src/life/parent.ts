/** A program's end of the channel to base (protocol/base-site.ts). */
import type { Socket } from 'node:net';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import { toSite, type FromSite, type ToSite } from '@bascule/protocol/base-site.ts';
import type { OnMigration } from '@bascule/store/store.ts';

/** Tells base. A parent that died a moment ago makes this fail; 'disconnect' follows and ends the program. */
export function tell(message: FromSite): void {
  if (process.connected) process.send?.(message, () => {});
}

/** Tells base why the program cannot work, in one sentence, and ends it: base starts a fresh one. */
export function fail(error: unknown, log: Log): void {
  log.fatal({ err: error }, 'program.failed');
  const message =
    error instanceof AppError ? error.message : `The site cannot work: ${error instanceof Error ? error.message : String(error)}`;
  if (!process.connected) process.exit(1);
  process.send?.({ kind: 'failed', message } satisfies FromSite, () => process.exit(1));
}

/** Gives every sound message to `act`, with the socket of a `link` that is still there, and ends the program with its parent: nobody would restart, route or fence it. */
export function hearParent(act: (message: ToSite, socket: Socket | undefined) => void, log: Log): void {
  process.on('disconnect', () => process.exit(0));
  process.on('message', (value: unknown, handle: unknown) => {
    const socket = handle as Socket | undefined;
    const message = toSite.safeParse(value);
    if (message.success) return act(message.data, socket);
    socket?.destroy();
    log.warn({ field: message.error.issues[0]?.path.join('.') }, 'parent-message-refused');
  });
}

/** Ends the program when `work` is done, with 0 also when it takes longer than `limitMs`: what is on the disk is whole at any moment. */
export function endAfter(work: () => Promise<void>, limitMs: number, log: Log): void {
  setTimeout(() => process.exit(0), limitMs).unref();
  work().then(
    () => process.exit(0),
    (error: unknown) => fail(error, log),
  );
}

/** Tells base of each migration that begins. */
export const tellMigration: OnMigration = (name, done, total, durationMs) => {
  if (durationMs === undefined) tell({ kind: 'progress', text: `Migration '${name}'`.slice(0, 200), done, total });
};
