import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { homePaths } from '@bascule/core/home.ts';
import { REMOVED_SUFFIX, Removals } from './removals.ts';
import { Slots } from './slots.ts';

const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
/** Enough that a removal is still under way when this test looks. */
const FILES = 3_000;

function home(): { paths: ReturnType<typeof homePaths>; [Symbol.dispose](): void } {
  const directory = mkdtempSync(join(MEMORY, 'bascule-removals-'));
  const paths = homePaths(directory);
  mkdirSync(paths.siteSoftware, { recursive: true });
  return { paths, [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }) };
}

function stage(root: string, folder: string): void {
  mkdirSync(join(root, folder, 'node_modules'), { recursive: true });
  writeFileSync(join(root, folder, 'package.json'), JSON.stringify({ version: folder.split('-')[0] }));
  for (let file = 0; file < FILES; file++) writeFileSync(join(root, folder, 'node_modules', `${file}`), '');
}

describe('what is removed while base serves', () => {
  it('loses its name at once, goes while timers fire, and what runs stays', async () => {
    using place = home();
    const root = place.paths.siteSoftware;
    const [old, running] = ['0.1.0-aaaaaaaaaaaa', '0.2.0-bbbbbbbbbbbb'];
    stage(root, old);
    stage(root, running);
    symlinkSync(running, join(root, 'current'));
    const removals = new Removals();
    const slots = new Slots(place.paths, removals);
    assert.deepEqual(slots.removeOld(0, { site: running }), [`site ${old}`]);
    assert.equal(slots.read('site', old), undefined);
    assert.equal(readdirSync(root).filter((name) => name.endsWith(REMOVED_SUFFIX)).length, 1);
    let renewals = 0;
    const renewing = setInterval(() => renewals++, 1);
    await removals.settled();
    clearInterval(renewing);
    assert.ok(renewals > 0, 'a timer of the loop fired meanwhile');
    assert.deepEqual(readdirSync(root), [running, 'current']);
    assert.equal(readdirSync(join(root, running, 'node_modules')).length, FILES);
  });

  it('and cannot be stays whole under its name, and nothing else fails for it', async () => {
    using place = home();
    const root = place.paths.siteSoftware;
    // Its new name would be longer than a name may be.
    const stays = join(root, 'n'.repeat(250));
    mkdirSync(stays);
    stage(root, '0.1.0-aaaaaaaaaaaa');
    const removals = new Removals();
    await Promise.all([removals.remove(stays), removals.remove(join(root, '0.1.0-aaaaaaaaaaaa'))]);
    assert.deepEqual(readdirSync(root), ['n'.repeat(250)]);
  });

  it('and was cut is removed by the next start, which makes new things of the same names meanwhile', async () => {
    using place = home();
    const root = place.paths.siteSoftware;
    stage(root, '0.2.0-bbbbbbbbbbbb.partial');
    const first = new Removals();
    stage(root, '0.1.0-aaaaaaaaaaaa');
    void first.remove(join(root, '0.1.0-aaaaaaaaaaaa'));
    setTimeout(() => first.stop(), 1);
    await first.settled();
    assert.equal(readdirSync(root).length, 2, 'it was cut in the middle');
    const second = new Removals();
    new Slots(place.paths, second).removeLeftovers();
    stage(root, '0.2.0-bbbbbbbbbbbb.partial');
    await second.settled();
    assert.deepEqual(readdirSync(root), ['0.2.0-bbbbbbbbbbbb.partial']);
    assert.equal(readdirSync(join(root, '0.2.0-bbbbbbbbbbbb.partial', 'node_modules')).length, FILES);
  });
});
