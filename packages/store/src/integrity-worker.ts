import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';

const { path } = workerData as { path: string };
/** More is not told: one is enough to refuse. */
const PROBLEMS_MAX = 100;

function problems(): string[] {
  try {
    const database = new DatabaseSync(path, { readOnly: true, defensive: true });
    try {
      // The check computes what the schema of the file says.
      database.exec('PRAGMA trusted_schema = OFF');
      const rows = database.prepare(`PRAGMA integrity_check(${PROBLEMS_MAX})`).all() as { integrity_check: string }[];
      return rows.map((row) => row.integrity_check).filter((text) => text !== 'ok');
    } finally {
      database.close();
    }
  } catch (error) {
    // A page that cannot be read at all.
    return [(error as Error).message];
  }
}

parentPort?.postMessage(problems());
