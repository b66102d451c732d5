/**
 * The follower that the crash tests kill: `node crash-follower.ts SOURCE DB ACKS BATCH_BYTES [STEP AT]`. Follows SOURCE to its end; after each batch the newest entry's number
 * is appended to ACKS. With STEP it kills itself at that step of batch AT.
 */
import { openSync, writeSync } from 'node:fs';
import { createLog } from '@bascule/log/log.ts';
import { decodeEntry, encodeEntry } from '../src/entry-format.ts';
import { Store } from '../src/store.ts';
import { crashMigrations, openCrashed } from './crash-checks.ts';

const [sourcePath = '', path = '', acks = '', batchBytes = '0', step, at] = process.argv.slice(2);
let batch = 0;
const source = openCrashed(sourcePath, true);
const store = Store.open({
  path,
  migrations: crashMigrations,
  appliance: 'follower',
  log: createLog('crash-follower', 'silent'),
  follower: true,
  onStep: (reached) => {
    if (reached === step && batch === Number(at)) process.kill(process.pid, 'SIGKILL');
  },
});
const acknowledgements = openSync(acks, 'a');
for (;;) {
  batch += 1;
  const entries = source.entriesAfter(store.head().seq, Number(batchBytes));
  if (entries.length === 0) break;
  const { seq } = store.applyEntries(entries.map((entry) => decodeEntry(encodeEntry(entry))));
  writeSync(acknowledgements, `${seq}\n`);
}
store.close();
source.close();
