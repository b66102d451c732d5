/** The program of a test of the standby (B133): serves the scratch copy, or collects what is kept of it. Started by site main of the backup (protocol/rehearsal.ts), and gone with it. */
import { writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { constants, getPriority, setPriority } from 'node:os';
import { AppError } from '@bascule/errors/app-error.ts';
import { createLog } from '@bascule/log/log.ts';
import { rehearsalStart, toRehearsal, type FromRehearsal, type RehearsalStart } from '@bascule/protocol/rehearsal.ts';
import type { ScratchSite } from './failover/rehearsal/rehearsal-site.ts';

/** So long after its time it ends by itself, if whoever started it has not ended it. */
const OVERTIME_MS = 60_000;
/** When memory ends the kernel takes this program first (proc(5), oom_score_adj: up to 1000). */
const OOM_SCORE_ADJUSTMENT = 900;

const log = createLog('rehearsal');
process.title = 'bascule-rehearsal';
process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);
process.on('disconnect', () => process.exit(0));
// Ended by site main: a signal to the whole group is not ours.
process.on('SIGINT', () => {});

giveWay();

let rehearsal: ScratchSite | undefined;
let isEnding = false;

try {
  await main(readStart());
} catch (error) {
  fail(error);
}

async function main(start: RehearsalStart): Promise<void> {
  if (start.mode === 'collect') {
    // Of the two each start needs one, and loading a site takes longer than collecting.
    const { collectKept } = await import('./failover/rehearsal/rehearsal-collect.ts');
    const collected = await collectKept(start, log);
    return tell({ kind: 'collected', ...collected }, () => process.exit(0));
  }
  const overtimeMs = start.endsAtMs - Date.now() + OVERTIME_MS;
  setTimeout(() => process.exit(0), Math.max(OVERTIME_MS, overtimeMs)).unref();
  process.on('message', (value: unknown, handle: unknown) => hear(value, handle as Socket | undefined));
  const startedMs = performance.now();
  const { ScratchSite } = await import('./failover/rehearsal/rehearsal-site.ts');
  rehearsal = await ScratchSite.open({
    start,
    log,
    clientsChanged: (connected) => tell({ kind: 'clients', connected }),
    failed: fail,
  });
  tell({ kind: 'ready', openMs: Math.round(performance.now() - startedMs), migrations: rehearsal.migrations });
  if (isEnding) await end();
}

/** Whatever is done in the test, the standby comes first: it may have to take over at any moment. */
function giveWay(): void {
  try {
    setPriority(Math.max(getPriority(), constants.priority.PRIORITY_BELOW_NORMAL));
    writeFileSync('/proc/self/oom_score_adj', String(OOM_SCORE_ADJUSTMENT));
  } catch (error) {
    log.warn({ err: error }, 'rehearsal.gives-no-way');
  }
}

function readStart(): RehearsalStart {
  const parsed = rehearsalStart.safeParse(JSON.parse(process.env['BASCULE_REHEARSAL'] ?? 'null'));
  if (parsed.success) return parsed.data;
  const field = ['BASCULE_REHEARSAL', ...(parsed.error.issues[0]?.path ?? [])].join('.');
  throw new AppError('invalid', 'REHEARSAL_CONFIG_INVALID', `${field}: site main starts this program and sets it.`);
}

function hear(value: unknown, socket: Socket | undefined): void {
  const message = toRehearsal.safeParse(value);
  if (!message.success) {
    socket?.destroy();
    return log.warn({ field: message.error.issues[0]?.path.join('.') }, 'rehearsal.message-refused');
  }
  switch (message.data.kind) {
    case 'link':
      if (rehearsal === undefined || isEnding) socket?.destroy();
      else if (socket !== undefined) rehearsal.acceptLink(socket, message.data.head, message.data.alpn);
      return;
    case 'test-session':
      return void testSession(message.data.nonce);
    case 'end':
      isEnding = true;
      if (rehearsal !== undefined) end().catch(fail);
  }
}

async function testSession(nonce: number): Promise<void> {
  const { outcome, item, ms, error } = (await rehearsal?.testSession()) ?? { outcome: 'failed' };
  tell({
    kind: 'test-session-done',
    nonce,
    outcome,
    ...(item !== undefined && { item }),
    ...(ms !== undefined && { ms }),
    ...(error !== undefined && { error: error.slice(0, 500) }),
  });
}

async function end(): Promise<void> {
  await rehearsal?.close();
  process.exit(0);
}

function tell(message: FromRehearsal, then: () => void = () => undefined): void {
  if (process.connected) process.send?.(message, then);
}

/** Says why it cannot work, in one sentence, and ends. */
function fail(error: unknown): void {
  log.fatal({ err: error }, 'rehearsal.failed');
  const message = error instanceof AppError || error instanceof Error ? error.message : String(error);
  if (!process.connected) process.exit(1);
  tell({ kind: 'failed', message: message.slice(0, 500) }, () => process.exit(1));
}
