import { Refused } from './helper-checks.ts';
import { placeOf, run } from './helper-programs.ts';

/** Runs iproute2. Throws `Refused` with what it says, unless that is `harmless`. */
export async function ip(args: readonly string[], harmless?: RegExp): Promise<{ output: string }> {
  const program = placeOf('ip');
  if (program === undefined) throw new Refused('iproute2 is not installed: apt-get install iproute2');
  const { code, output, error } = await run(program, args);
  if (code === 0 || harmless?.test(error) === true) return { output };
  const words = args.filter((word) => !word.startsWith('-')).slice(0, 2);
  throw new Refused(`ip ${words.join(' ')}: ${error.trim().slice(0, 300) || 'it was killed'}`);
}

/** The objects of a JSON list that iproute2 printed; what is none is left out. */
export function objectsIn(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value)
    ? value.filter((one): one is Record<string, unknown> => typeof one === 'object' && one !== null)
    : [];
}
