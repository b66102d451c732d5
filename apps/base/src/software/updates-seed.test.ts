import assert from 'node:assert/strict';
import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { FolderMirror } from '@bascule/package-format/folder-mirror.ts';
import { TestRepository } from '@bascule/package-format/testing.ts';
import { SYSTEM } from '@bascule/store/store.ts';
import { RUNTIME, UpdatesFixture } from '../../test/updates-fixture.ts';

const YEAR_MS = 365 * 24 * 60 * 60_000;

/** The repository of `fixture` as the seed of a package that was installed. */
function seedOf({ repository, base, site }: UpdatesFixture): string {
  writeFileSync(join(repository.directory, 'seed.json'), JSON.stringify({ format: 'bascule-seed/1', base, site }));
  return repository.directory;
}

function auditOf({ store }: UpdatesFixture): string[] {
  return store.all<{ code: string }>('SELECT code FROM audit_event ORDER BY sequence').map(({ code }) => code);
}

describe('the seed of a package of the operating system', () => {
  it('is offered, never installed; its root is trusted and the page says by whom', async () => {
    await using fixture = await UpdatesFixture.open();
    const seed = seedOf(fixture);
    const { updates, base, site } = fixture;
    assert.deepEqual(await updates.imports.offerSeed(SYSTEM, seed), [base, site]);
    const { offers, trust } = updates.state();
    const state = (target: string) => {
      const offer = offers.find((one) => one.target === target);
      return [offer?.state, offer?.downloadedAtMs !== null];
    };
    assert.deepEqual(
      [state(base), state(site)],
      [
        ['installable', true],
        ['blocked', true],
      ],
    );
    assert.ok(updates.client.pathOf(`runtime/${RUNTIME}.tar.zst`) !== undefined);
    assert.equal(trust?.confirmedBy, 'the package bascule-appliance');
    assert.deepEqual(auditOf(fixture), ['UPDATE_TRUST_CONFIRMED', 'UPDATE_FILE_IMPORTED']);
    assert.deepEqual(await updates.imports.offerSeed(SYSTEM, seed), [], 'the next start finds nothing new');
    assert.equal(auditOf(fixture).length, 2);
  });

  it('brings nothing that is as old as what is installed, or older', async () => {
    await using fixture = await UpdatesFixture.open();
    const { updates, base, site } = fixture;
    fixture.installed = {
      packages: [
        { kind: 'base', version: '0.2.0' },
        { kind: 'site', version: '0.3.0' },
      ],
      runtimes: [RUNTIME],
    };
    assert.deepEqual(await updates.imports.offerSeed(SYSTEM, seedOf(fixture)), []);
    assert.deepEqual([updates.client.pathOf(base), updates.client.pathOf(site)], [undefined, undefined]);
    const states = updates.state().offers.map(({ target, state }) => [target, state]);
    assert.ok(
      states.every(([, state]) => state === 'installed' || state === 'older'),
      JSON.stringify(states),
    );
  });

  it('is good after its dates are past: who installs a package that lay about for a year wants it', async () => {
    await using fixture = await UpdatesFixture.open();
    fixture.nowMs += 2 * YEAR_MS;
    assert.deepEqual(await fixture.updates.imports.offerSeed(SYSTEM, seedOf(fixture)), [fixture.base, fixture.site]);
    assert.ok((fixture.updates.metadataValidUntilMs() ?? Infinity) < fixture.nowMs, 'and the page says that the list is old');
  });

  it('that is older than what is known still brings what the newer list names', async () => {
    await using fixture = await UpdatesFixture.open();
    const { updates, repository } = fixture;
    const seed = join(fixture.directory, 'seed');
    seedOf(fixture);
    cpSync(repository.directory, seed, { recursive: true });
    await repository.addPackage('site', '0.3.0', 'newer site');
    await repository.publish();
    updates.changeSettings(SYSTEM, { ...updates.settings(), serverUrl: fixture.url });
    await updates.confirmTrust(SYSTEM, (await updates.foundTrust()).rootSha256);
    await updates.check(SYSTEM);
    assert.deepEqual(await updates.imports.offerSeed(SYSTEM, seed), [fixture.base, fixture.site]);
    assert.ok(
      updates.state().offers.some(({ manifest }) => manifest.version === '0.3.0'),
      'and the newer list stands',
    );
  });

  it('of another publisher, altered or missing is not offered, and the audit says so', async () => {
    await using fixture = await UpdatesFixture.open();
    const { updates } = fixture;
    const seed = seedOf(fixture);
    const other = await TestRepository.create(join(fixture.directory), fixture.nowMs);
    await updates.client.confirmTrust((await updates.client.readRoot(new FolderMirror(other.directory))).bytes);
    await assert.rejects(updates.imports.offerSeed(SYSTEM, seed), { code: 'SEED_OTHER_PUBLISHER' });
    assert.deepEqual(updates.state().offers, []);
    rmSync(join(seed, 'seed.json'));
    await assert.rejects(updates.imports.offerSeed(SYSTEM, seed), { code: 'SEED_UNREADABLE' });
    assert.deepEqual(auditOf(fixture), ['UPDATE_FILE_REFUSED', 'UPDATE_FILE_REFUSED']);
  });
});
