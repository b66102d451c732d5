/** Every migration of site.db but those named here comes with its SQL, so that a backup whose software does not know it goes on following (change-log 3.3). */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import { openSiteStore } from '../../../apps/site/src/site-store.ts';
import { readChangeLog } from './change-log.ts';
import { openTestStore } from './testing.ts';

/** They change rows too: of releases from before there was a pair. A new one here stops every backup that has the version before. */
const CHANGE_ROWS = ['language chosen'];

test('a follower that knows none of our migrations follows all of them that only add', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bascule-migrations-'));
  try {
    const log = createLog('test', 'silent');
    using site = openSiteStore({ path: join(directory, 'site.db'), appliance: 'a', log });
    const notes = [...readChangeLog(site)].map(
      (entry) => JSON.parse(Buffer.from(entry.bytes).toString()) as { name: string; up?: string },
    );
    assert.deepEqual(
      notes.filter(({ up }) => up === undefined).map(({ name }) => name),
      CHANGE_ROWS,
    );
    using unaware = openTestStore([], { follower: true });
    const known = notes.findIndex(({ name }) => CHANGE_ROWS.includes(name));
    unaware.store.applyEntries([...readChangeLog(site)].slice(0, known));
    assert.equal(unaware.store.head().seq, known);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
