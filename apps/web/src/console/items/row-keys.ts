/** Where the selection goes for a key; `undefined` when the key does not move it. `page`: rows in sight. */
export function movedSelection(key: string, from: number, count: number, page: number): number | undefined {
  if (count === 0) return undefined;
  const within = (index: number): number => Math.min(Math.max(index, 0), count - 1);
  if (key === 'ArrowDown') return within(from + 1);
  if (key === 'ArrowUp') return within(from === -1 ? 0 : from - 1);
  if (key === 'PageDown') return within(Math.max(from, 0) + page);
  if (key === 'PageUp') return within(from - page);
  if (key === 'Home') return 0;
  if (key === 'End') return count - 1;
  return undefined;
}
