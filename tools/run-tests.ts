/**
 * Runs test files in two rounds: unit tests side by side, then those that start processes, two at a time: they wait more than they work. The last line
 * is 'N passed, N failed', with ', N skipped' when tests were skipped (their names say why).
 */
import { globSync, mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';

/** A test file that takes longer hangs; `npm run faults` has hundreds of installations in one. */
const FILE_LIMIT_MS = process.env['BASCULE_FAULTS'] === 'all' ? 6 * 3_600_000 : 8 * 60_000;
const SLOWEST_SHOWN = 12;
const PROCESS_TESTS = /\.(proc|e2e)\.test\.ts$/;
const PROCESS_TESTS_AT_ONCE = 2;
/** Folders with the longest files, which begin first, so that none of them is left alone at the end. */
const LONG_FIRST = [
  'test/update/',
  'test/install/',
  'test/failover/',
  'test/fleet/',
  'test/faults/',
  'test/restore/',
  'test/move/',
  'test/e2e/',
];

/**
 * What `npm test` has no time for: testssl.sh takes minutes; failover pairs on real processes beside pair and faults; packages that fail in each way and the ways to install beside
 * the ordinary one; kills of clients at each step of their upgrade. `npm run faults`, or their names, run them.
 */
const LEFT_TO_FAULTS = [
  'test/security/testssl.proc.test.ts',
  'test/update/failing-packages.proc.test.ts',
  'test/update/other-ways.proc.test.ts',
  'test/fleet/faults.proc.test.ts',
  'test/failover/network.proc.test.ts',
  'test/failover/plans.proc.test.ts',
  'test/e2e/failover.e2e.test.ts',
  'test/e2e/rehearsal.e2e.test.ts',
];

const checkout = resolve(import.meta.dirname, '..');
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const unitOnly = process.argv.includes('--unit');

const files = globSync(
  ['apps/*/src/**/*.test.ts', 'packages/*/src/**/*.test.ts', 'test/**/*.test.ts', 'tools/**/*.test.ts', 'bench/**/*.test.ts'],
  {
    cwd: checkout,
    exclude: (path) => path.includes('node_modules'),
  },
)
  .filter((file) =>
    wanted.length === 0 ? !LEFT_TO_FAULTS.includes(file) : wanted.some((part) => file.startsWith(part.replace(/^\.\//, ''))),
  )
  .toSorted();
if (files.length === 0) {
  process.stderr.write(`No test file matches ${wanted.join(' ')}.\n`);
  process.exit(64);
}

// Releases that several files need are built once (packages/testkit/src/test-releases.ts).
const releases = mkdtempSync(join(tmpdir(), 'bascule-test-releases-'));
process.env['BASCULE_TEST_RELEASES'] = releases;
process.on('exit', () => rmSync(releases, { recursive: true, force: true }));

const total = { passed: 0, failed: 0, skipped: 0 };
const failures: string[] = [];
const durations: { file: string; seconds: number }[] = [];
await round(
  files.filter((file) => !PROCESS_TESTS.test(file)),
  cpus().length,
);
if (!unitOnly)
  await round(
    files.filter((file) => PROCESS_TESTS.test(file)).toSorted((one, other) => rankOf(one) - rankOf(other)),
    PROCESS_TESTS_AT_ONCE,
  );

if (wanted.length === 0) process.stdout.write(`left to npm run faults: ${LEFT_TO_FAULTS.join(', ')}\n`);
const slowest = durations.toSorted((one, other) => other.seconds - one.seconds).slice(0, SLOWEST_SHOWN);
process.stdout.write(`the slowest: ${slowest.map(({ file, seconds }) => `${file} ${seconds} s`).join(', ')}\n`);
for (const failure of failures) process.stdout.write(`failed: ${failure}\n`);
const sums = `${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}\n`;
// What was written to a pipe is lost with a process that exits before the reader took it.
process.stdout.write(sums, () => process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0));

/** Lower begins earlier. */
function rankOf(file: string): number {
  const rank = LONG_FIRST.findIndex((folder) => file.startsWith(folder));
  return rank < 0 ? LONG_FIRST.length : rank;
}

/** Runs `batch` with so many files at once, and adds to the totals. */
async function round(batch: string[], concurrency: number): Promise<void> {
  if (batch.length === 0) return;
  const stream = run({ files: batch.map((file) => join(checkout, file)), concurrency, timeout: FILE_LIMIT_MS, cwd: checkout });
  stream.on('test:fail', (event) => {
    if (event.todo === undefined) failures.push(`${event.name} (${event.file?.slice(checkout.length + 1) ?? '?'})`);
  });
  stream.on('test:summary', (event) => {
    if (event.file !== undefined) {
      durations.push({ file: event.file.slice(checkout.length + 1), seconds: Math.round(event.duration_ms / 1000) });
      return;
    }
    total.passed += event.counts.passed;
    total.failed += event.counts.tests - event.counts.passed - event.counts.skipped - event.counts.todo;
    total.skipped += event.counts.skipped;
  });
  const report = stream.compose(spec);
  for await (const text of report) process.stdout.write(text as string);
}
