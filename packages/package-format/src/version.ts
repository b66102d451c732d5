import { AppError } from '@bascule/errors/app-error.ts';
import { packageVersion, versionRange } from '@bascule/protocol/package-manifest.ts';

type Numbers = readonly [number, number, number];

/**
 * Compares two versions (`1.2.3`) number by number (package-format 1.2): negative when `a` is older, 0 when equal, positive when newer.
 * Throws `VERSION_INVALID`.
 */
export function compareVersions(a: string, b: string): number {
  const left = numbersOf(a);
  const right = numbersOf(b);
  return left[0] - right[0] || left[1] - right[1] || left[2] - right[2];
}

/** Whether `version` holds every comparison of `range`, such as `>=1.2.0 <2.0.0` (package-format 1.3). Throws `VERSION_INVALID`. */
export function satisfies(version: string, range: string): boolean {
  if (!versionRange.safeParse(range).success)
    throw new AppError(
      'invalid',
      'VERSION_INVALID',
      `'${range.slice(0, 100)}' is no range of versions; write it like '>=1.2.0 <2.0.0'.`,
    );
  return range.split(' ').every((comparison) => {
    const operator = /^(>=|<=|>|<|=)/.exec(comparison)?.[0] ?? '=';
    const order = compareVersions(version, comparison.slice(operator.length));
    if (operator === '>=') return order >= 0;
    if (operator === '<=') return order <= 0;
    if (operator === '>') return order > 0;
    if (operator === '<') return order < 0;
    return order === 0;
  });
}

function numbersOf(version: string): Numbers {
  if (!packageVersion.safeParse(version).success)
    throw new AppError('invalid', 'VERSION_INVALID', `'${version.slice(0, 40)}' is no version; write it like 1.2.3.`);
  return version.split('.').map(Number) as unknown as Numbers;
}
