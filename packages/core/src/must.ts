/** Returns `value`, or throws when it is null or undefined: for what our own code guarantees, not for input. */
export function must<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new Error(`bug: ${what} is missing`);
  return value;
}
