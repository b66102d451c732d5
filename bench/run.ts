/** Runs one benchmark and prints its figures as one JSON object on the last line. */
import { cpus, totalmem } from 'node:os';

/** A benchmark that takes longer hangs. */
const LIMIT_MS = 12 * 60_000;

const name = process.argv[2] ?? '';
const limit = setTimeout(() => {
  // Somebody looks at it.
  if (process.env['BASCULE_BENCH_HOLD'] === '1') return;
  process.stderr.write(`The benchmark ${name} took longer than 12 minutes; ended.\n`);
  process.exit(1);
}, LIMIT_MS);
const { run } = (await import(`./${name}.bench.ts`)) as { run(): Promise<Record<string, number>> };
const figures = await run();
clearTimeout(limit);
const machine = `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`;
process.stdout.write(`${JSON.stringify({ name, machine, date: new Date().toISOString().slice(0, 10), figures })}\n`);
process.exit(0);
