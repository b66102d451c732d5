import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatBytes, formatDuration, formatInstant, formatInstantWithZone, formatMinute } from './format.ts';

test('bytes have three significant digits in binary units', () => {
  const cases: [number, string][] = [
    [0, '0 B'],
    [1023, '1,023 B'],
    [1536, '1.50 KiB'],
    [12.34 * 1024 ** 2, '12.3 MiB'],
    [466 * 1024 ** 3, '466 GiB'],
    [2 ** 60, '1,024 PiB'],
  ];
  for (const [bytes, text] of cases) assert.equal(formatBytes(bytes, 'en'), text);
  assert.equal(formatBytes(1536, 'de'), '1,50 KiB');
});

test('a length of time shows its two largest units, without a zero second one', () => {
  const cases: [number, string][] = [
    [0, '0 s'],
    [59_999, '59 s'],
    [60_000, '1 min'],
    [725_000, '12 min 5 s'],
    [3_600_000, '1 h'],
    [(3 * 86_400 + 4 * 3600 + 59 * 60) * 1000, '3 d 4 h'],
    [-5, '0 s'],
  ];
  for (const [milliseconds, text] of cases) assert.equal(formatDuration(milliseconds), text);
});

test('an instant is local time, to the second or minute', () => {
  const atMs = new Date(2026, 10, 1, 3, 4, 5).getTime();
  assert.equal(formatInstant(atMs), '2026-11-01 03:04:05');
  assert.equal(formatMinute(atMs), '2026-11-01 03:04');
  assert.match(formatInstantWithZone(atMs), /^2026-11-01 03:04:05 \([\w/+-]+\)$/);
});
