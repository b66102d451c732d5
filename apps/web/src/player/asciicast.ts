/**
 * Reads asciicast v2 line by line: the text form that the appliance derives from a recording (wire 6.8). The first line is the
 * header, every further line one event.
 */
import { z } from 'zod';
import { AppError } from '@bascule/errors/app-error.ts';

/** A line longer than this is not one of ours: the appliance writes at most 64 KiB of output in one event (wire 5.1). */
export const CAST_LINE_MAX_CHARACTERS = 4 * 1024 * 1024;

export const castHeader = z.object({
  version: z.literal(2),
  width: z.number().int().min(1).max(1000),
  height: z.number().int().min(1).max(500),
});
export type CastHeader = z.infer<typeof castHeader>;

/** `o` output, `i` typed (only with the policy), `r` a new terminal size as `80x24`. */
export type CastEventKind = 'o' | 'i' | 'r';
export interface CastEvent {
  /** Since the first event. */
  seconds: number;
  kind: CastEventKind;
  data: string;
}

function damaged(what: string): AppError {
  return new AppError(
    'invalid',
    'RECORDING_UNREADABLE',
    `The recording cannot be played: ${what}. Download it and check it with 'npm run verify'.`,
  );
}

function parsedJson(line: string, what: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw damaged(`${what} is not JSON`);
  }
}

/** The header of a cast. Throws RECORDING_UNREADABLE when `line` is anything else. */
export function parseHeader(line: string): CastHeader {
  const parsed = castHeader.safeParse(parsedJson(line, 'its first line'));
  if (!parsed.success) throw damaged('its first line is not an asciicast v2 header');
  return parsed.data;
}

/** One event, or `undefined` for kinds that a player leaves out. Checked by hand: a long recording has millions of lines. */
export function parseEvent(line: string): CastEvent | undefined {
  const value = parsedJson(line, 'one of its lines');
  if (!Array.isArray(value)) throw damaged('one of its lines is not an event');
  const [seconds, kind, data] = value as unknown[];
  if (typeof seconds !== 'number' || !Number.isFinite(seconds) || seconds < 0 || typeof data !== 'string') {
    throw damaged('one of its events has no time or no text');
  }
  return kind === 'o' || kind === 'i' || kind === 'r' ? { seconds, kind, data } : undefined;
}

/** The size in an `r` event, or `undefined` when it is not one a terminal can have. */
export function parseSize(data: string): { cols: number; rows: number } | undefined {
  const match = /^(\d{1,4})x(\d{1,4})$/.exec(data);
  if (!match) return undefined;
  const cols = Number(match[1]);
  const rows = Number(match[2]);
  return cols >= 1 && cols <= 1000 && rows >= 1 && rows <= 500 ? { cols, rows } : undefined;
}

/** Cuts text that arrives in pieces into lines; only whole lines come out (a torn last line is dropped, wire 6.8). */
export class LineSplitter {
  #rest = '';

  /** The lines that `text` completes, without their newlines and without empty ones. */
  push(text: string): string[] {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > CAST_LINE_MAX_CHARACTERS) throw damaged('one of its lines is too long');
    return lines.filter((line) => line !== '');
  }
}
