/**
 * The writer that the crash tests kill: `node crash-writer.ts DB ACKS COUNT [STEP AT]`. Each transaction adds one row to `parent`, changes and deletes
 * others; after it has returned, `N\n` is appended to ACKS. With STEP it kills itself at that step of transaction AT.
 */
import { openSync, writeSync } from 'node:fs';
import { createLog } from '@bascule/log/log.ts';
import { defineAuditEvent } from '../src/audit.ts';
import { Store, SYSTEM } from '../src/store.ts';
import { crashMigrations } from './crash-checks.ts';

const [path = '', acks = '', count = '0', step, at] = process.argv.slice(2);
const added = defineAuditEvent('ITEM_ADDED', 'Added item {number}');
let current = 0;
const store = Store.open({
  path,
  migrations: crashMigrations,
  appliance: 'crash',
  log: createLog('crash-writer', 'silent'),
  onStep: (reached) => {
    if (reached === step && current === Number(at)) process.kill(process.pid, 'SIGKILL');
  },
});
const acknowledgements = openSync(acks, 'a');
const first = (store.get<{ highest: number | null }>('SELECT max(number) AS highest FROM parent')?.highest ?? 0) + 1;
for (current = first; current < first + Number(count); current += 1) {
  const number = current;
  store.transact(SYSTEM, added({ number }), (tx) => {
    tx.run('INSERT INTO parent (id, number, filler) VALUES (?, ?, ?)', `p${number}`, number, 'x'.repeat((number * 37) % 3000));
    tx.run('INSERT INTO child (id, parent) VALUES (?, ?)', `c${number}`, `p${number}`);
    tx.run('UPDATE parent SET filler = ? WHERE number = ?', 'changed', number - 1);
    tx.run('DELETE FROM child WHERE parent = ?', `p${number - 3}`);
  });
  writeSync(acknowledgements, `${number}\n`);
}
store.close();
