import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import { Store } from '@bascule/store/store.ts';
import { KnownEpoch, readKnownEpoch, siteHostMigrations } from './site-host.ts';

const log = createLog('test', 'silent');

describe('the highest epoch that a box has known', () => {
  it('only rises, is there after a restart, and can be read beside a base that writes', () => {
    const directory = mkdtempSync(join(tmpdir(), 'bascule-epoch-'));
    const path = join(directory, 'box.db');
    assert.equal(readKnownEpoch(path, log), undefined);
    Store.open({ path, migrations: [], appliance: 'a', log }).close();
    assert.equal(readKnownEpoch(path, log), undefined);
    const open = () => Store.open({ path, migrations: siteHostMigrations, appliance: 'a', log });
    const store = open();
    const known = new KnownEpoch(store, log);
    assert.equal(known.get(), undefined);
    known.note({ role: 'single', history: 'one', epoch: 2 });
    known.note({ role: 'primary', history: 'one', epoch: 5 });
    known.note({ role: 'primary', history: 'one', epoch: 4 });
    known.note({ role: 'backup', history: 'one', epoch: 4 });
    // A restored site: its history is another, its epoch too low.
    known.note({ role: 'single', history: 'two', epoch: 3 });
    assert.deepEqual(known.get(), { history: 'one', epoch: 5 });
    assert.deepEqual(readKnownEpoch(path, log), { history: 'one', epoch: 5 });
    store.close();
    const again = open();
    assert.deepEqual(new KnownEpoch(again, log).get(), { history: 'one', epoch: 5 });
    again.close();
    rmSync(directory, { recursive: true });
  });

  it('is that of the site whose backup the box has become', () => {
    const directory = mkdtempSync(join(tmpdir(), 'bascule-epoch-'));
    const store = Store.open({ path: join(directory, 'box.db'), migrations: siteHostMigrations, appliance: 'a', log });
    const known = new KnownEpoch(store, log);
    known.note({ role: 'single', history: 'own', epoch: 9 });
    known.note({ role: 'backup', history: 'theirs', epoch: 2 });
    assert.deepEqual(known.get(), { history: 'theirs', epoch: 2 });
  });

  it('gets the name of the history with the first relationship', () => {
    const directory = mkdtempSync(join(tmpdir(), 'bascule-epoch-'));
    const store = Store.open({ path: join(directory, 'box.db'), migrations: siteHostMigrations, appliance: 'a', log });
    const known = new KnownEpoch(store, log);
    known.note({ role: 'single', history: '', epoch: 1 });
    known.note({ role: 'primary', history: 'one', epoch: 1 });
    assert.deepEqual(known.get(), { history: 'one', epoch: 1 });
    store.close();
    rmSync(directory, { recursive: true });
  });
});
