import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { REMOVED_IN_A_ROW, removeTree } from './remove-tree.ts';

/** As many small files as a checkout with its node_modules. */
const FOLDERS = 200;
const FILES_EACH = 100;
/** Making them on a busy disk takes longer than the test. */
const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

function makeTree(at: string, folders: number): void {
  for (let folder = 0; folder < folders; folder++) {
    const directory = join(at, `${folder % 10}`, `${folder}`);
    mkdirSync(directory, { recursive: true });
    for (let file = 0; file < FILES_EACH; file++) writeFileSync(join(directory, `${file}`), '');
  }
}

describe('removing a tree', () => {
  const home = mkdtempSync(join(MEMORY, 'bascule-remove-'));
  process.once('exit', () => rmSync(home, { recursive: true, force: true }));

  it('of 20,000 files leaves the event loop its turns all the while', async () => {
    const tree = join(home, 'large');
    makeTree(tree, FOLDERS);
    let turns = 0;
    let isRemoved = false;
    const turn = (): void => {
      if (isRemoved) return;
      turns++;
      setImmediate(turn);
    };
    setImmediate(turn);
    await removeTree(tree);
    isRemoved = true;
    assert.equal(existsSync(tree), false);
    assert.ok(turns >= (FOLDERS * FILES_EACH) / REMOVED_IN_A_ROW, `the loop had ${turns} turns meanwhile`);
  });

  it('goes on where an aborted one was, with another beside it, and never follows a link', async () => {
    const tree = join(home, 'cut');
    makeTree(tree, 4);
    const kept = join(home, 'kept');
    mkdirSync(kept);
    writeFileSync(join(kept, 'file'), '');
    symlinkSync(kept, join(tree, 'link'));
    const abort = new AbortController();
    const cut = removeTree(tree, abort.signal);
    setImmediate(() => abort.abort(new Error('base stops')));
    await assert.rejects(cut);
    assert.equal(existsSync(tree), true);
    await Promise.all([removeTree(tree), removeTree(tree)]);
    assert.deepEqual([existsSync(tree), existsSync(join(kept, 'file'))], [false, true]);
    symlinkSync(kept, tree);
    await removeTree(tree);
    await removeTree(tree);
    assert.deepEqual([existsSync(tree), existsSync(join(kept, 'file'))], [false, true]);
  });
});
