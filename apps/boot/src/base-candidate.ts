import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** A candidate that is not prepared by then is killed (docs/spec/boot.md, 6.3). */
export const PREPARE_WAIT_MS = 60_000;
const SENTENCE_MAX_CHARACTERS = 2_000;

/** Waits until `child`, started with `--prepare`, says `prepared`; gives the sentence why it does not, and then it is gone. */
export async function whenPrepared(child: ChildProcess, waitMs: number = PREPARE_WAIT_MS): Promise<string | undefined> {
  const failure = await new Promise<string | undefined>((resolve) => {
    const finish = (result: string | undefined): void => {
      clearTimeout(timer);
      child.off('message', hear).off('exit', gone);
      resolve(result);
    };
    const hear = (message: unknown): void => {
      const { kind, message: text } = message as { kind?: unknown; message?: unknown };
      if (kind === 'prepared') finish(undefined);
      else if (kind === 'failed') finish(sentenceOf(text));
    };
    const gone = (): void => finish('It ended before it was prepared; the log says more.');
    const timer = setTimeout(() => finish(`It was not prepared within ${waitMs / 1000} s.`), waitMs);
    child.on('message', hear).once('exit', gone);
    if (child.pid === undefined) finish('It cannot be started.');
  });
  if (failure !== undefined) await endCandidate(child);
  return failure;
}

/** What base says of itself, for boot's log and the terminal of whoever started it, often root: one line, not endless, and nothing that steers a terminal. */
export function sentenceOf(text: unknown): string {
  return String(text)
    .slice(0, SENTENCE_MAX_CHARACTERS)
    .replace(/\p{Cc}+/gu, ' ');
}

/** Kills it and waits until it is gone. */
export async function endCandidate(child: ChildProcess): Promise<void> {
  if (isGone(child)) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

export function isGone(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}
