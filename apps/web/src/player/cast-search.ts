/** Finds text in what a recording's terminal was told to show, and says when it came. */
import type { CastIndex } from './cast-index.ts';
import { EscapeScanner } from './escape-scanner.ts';

/** More hits than this are not listed: nobody reads them. */
export const SEARCH_MAX_HITS = 500;
const EXCERPT_CHARACTERS = 100;
const EXCERPT_BEFORE = 30;

export interface SearchHit {
  /** When the last character of the text had come. */
  seconds: number;
  /** The line around the text. */
  excerpt: string;
  /** Where the text is in the excerpt. */
  from: number;
  to: number;
}

/** A run of readable text, with the place from which each event's characters begin. */
interface Run {
  text: string;
  begins: { at: number; seconds: number }[];
}

/**
 * All places of `wanted` (any case) in the output read so far, in order, at most SEARCH_MAX_HITS. Text that is broken up by cursor
 * movements, as full-screen programs draw it, is found piece by piece only. Stops early when `signal` aborts.
 */
export async function searchCast(index: CastIndex, wanted: string, signal: AbortSignal): Promise<SearchHit[]> {
  const needle = wanted.toLowerCase();
  const hits: SearchHit[] = [];
  if (needle === '') return hits;
  const scanner = new EscapeScanner();
  let carried: Run = { text: '', begins: [] };
  for (let chunk = 0; chunk < index.chunkCount && hits.length < SEARCH_MAX_HITS; chunk += 1) {
    const run: Run = { text: carried.text, begins: [...carried.begins] };
    for (const event of await index.events(chunk)) {
      if (event.kind !== 'o') continue;
      run.begins.push({ at: run.text.length, seconds: event.seconds });
      run.text += scanner.feed(event.data);
    }
    if (signal.aborted) return hits;
    const last = chunk + 1 >= index.chunkCount;
    const searchedTo = findIn(run, needle, last, hits);
    carried = tail(run, searchedTo);
  }
  return hits;
}

/** Adds the hits in `run`; gives how far it is searched: what follows is looked at again together with the next chunk. */
function findIn(run: Run, needle: string, last: boolean, hits: SearchHit[]): number {
  const lower = run.text.toLowerCase();
  // Lower case can be longer than the text in a few scripts; the text itself is then searched, so that places stay right.
  const haystack = lower.length === run.text.length ? lower : run.text;
  let from = 0;
  while (hits.length < SEARCH_MAX_HITS) {
    const at = haystack.indexOf(needle, from);
    if (at === -1) break;
    hits.push(hitAt(run, at, needle.length));
    from = at + needle.length;
  }
  return last ? run.text.length : Math.max(from, run.text.length - needle.length + 1);
}

function hitAt(run: Run, at: number, length: number): SearchHit {
  const lineStart = Math.max(run.text.lastIndexOf('\n', at - 1) + 1, at - EXCERPT_BEFORE, 0);
  const newline = run.text.indexOf('\n', at + length);
  const lineEnd = Math.min(
    newline === -1 ? run.text.length : newline,
    lineStart + Math.max(EXCERPT_CHARACTERS, at - lineStart + length),
  );
  const excerpt = run.text.slice(lineStart, lineEnd).replaceAll('\t', ' ').replaceAll('\n', ' ');
  return { seconds: secondsAt(run, at + length - 1), excerpt, from: at - lineStart, to: at - lineStart + length };
}

function secondsAt(run: Run, at: number): number {
  let low = 0;
  let high = run.begins.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((run.begins[middle]?.at ?? 0) <= at) low = middle;
    else high = middle - 1;
  }
  return run.begins[low]?.seconds ?? 0;
}

function tail(run: Run, from: number): Run {
  const begins = run.begins.filter((begin) => begin.at > from).map((begin) => ({ at: begin.at - from, seconds: begin.seconds }));
  return { text: run.text.slice(from), begins: [{ at: 0, seconds: secondsAt(run, from) }, ...begins] };
}
