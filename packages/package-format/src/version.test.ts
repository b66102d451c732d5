import { deepEqual, equal, throws } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareVersions, satisfies } from './version.ts';

test('versions are ordered number by number (package-format 1.2)', () => {
  deepEqual(['1.10.0', '0.2.10', '1.9.9', '0.2.9', '1.9.10'].toSorted(compareVersions), [
    '0.2.9',
    '0.2.10',
    '1.9.9',
    '1.9.10',
    '1.10.0',
  ]);
  equal(compareVersions('1.2.3', '1.2.3'), 0);
});

test('a range holds when all of its comparisons do (package-format 1.3)', () => {
  const cases: [string, string, boolean][] = [
    ['1.2.0', '>=1.2.0 <2.0.0', true],
    ['2.0.0', '>=1.2.0 <2.0.0', false],
    ['1.1.9', '>=1.2.0 <2.0.0', false],
    ['1.2.0', '=1.2.0', true],
    ['1.2.1', '>1.2.1', false],
    ['1.2.1', '<=1.2.1', true],
  ];
  for (const [version, range, expected] of cases) equal(satisfies(version, range), expected, `${version} in ${range}`);
});

test('what is no version or range is refused, not guessed', () => {
  for (const bad of ['1.2', 'v1.2.3', '1.2.3-beta', '01.2.3', '', '1.2.3 ', '1.2.9999999'])
    throws(() => compareVersions(bad, '1.0.0'), { code: 'VERSION_INVALID' });
  for (const bad of ['1.2.3', '^1.2.3', '>=1.2', '>= 1.2.3', '', '>=1.2.3  <2.0.0'])
    throws(() => satisfies('1.2.3', bad), { code: 'VERSION_INVALID' });
});

test('property: the order is that of the numbers, and a range of one bound agrees with it', () => {
  const numbers = fc.tuple(fc.nat(999_999), fc.nat(999_999), fc.nat(999_999));
  fc.assert(
    fc.property(numbers, numbers, (a, b) => {
      const [left, right] = [a.join('.'), b.join('.')];
      const sign = Math.sign(a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
      equal(Math.sign(compareVersions(left, right)), sign);
      equal(satisfies(left, `<${right}`), sign < 0);
      equal(satisfies(left, `>=${right}`), sign >= 0);
    }),
  );
});
