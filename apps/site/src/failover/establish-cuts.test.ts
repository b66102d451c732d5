import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { SeededRandom } from '@bascule/testkit/seeded-random.ts';
import { ESTABLISH_STEPS, type EstablishStep } from './establish.ts';
import { ADMINISTRATOR, PRE_SHARED, TestSide } from './pair-testing.ts';

/** `npm run faults` cuts either side and both at every step; `npm test` as the seed says. */
const EVERY = process.env['BASCULE_FAULTS'] === 'all';
const random = new SeededRandom();
const SIDES = ['primary', 'backup'] as const;
type Side = (typeof SIDES)[number];
const VICTIMS: Record<string, readonly Side[]> = { primary: ['primary'], backup: ['backup'], both: SIDES };

const request = (primary: TestSide, backup: TestSide) => ({
  primary: primary.endpoint,
  backup: backup.endpoint,
  withCertificate: true,
  mode: 'async' as const,
});

/** At `step` of either side, `victims` are gone: nothing that they were about to do is done. Whoever is not among them goes on. */
async function cutAt(step: EstablishStep, victims: readonly Side[], templates: Record<Side, string>) {
  const folder = mkdtempSync(join(tmpdir(), 'bascule-cut-'));
  for (const name of SIDES) cpSync(templates[name], join(folder, name), { recursive: true });
  const sides: Partial<Record<Side, TestSide>> = {};
  const cut = Promise.withResolvers<void>();
  let isCut = false;
  const open = async (name: Side, port?: number): Promise<TestSide> => {
    const onStep = async (at: EstablishStep): Promise<void> => {
      if (at !== step || isCut) return;
      isCut = true;
      await Promise.all(victims.map(async (victim) => sides[victim]?.crash()));
      cut.resolve();
      if (victims.includes(name)) await new Promise(() => undefined);
    };
    return await TestSide.open({ directory: join(folder, name), name, onStep, ...(port !== undefined && { port }) });
  };
  const [primary, backup] = [await open('primary'), await open('backup')];
  Object.assign(sides, { primary, backup });
  const ports = { primary: primary.port, backup: backup.port };
  const [ours, theirs] = [identityOf(primary), identityOf(backup)];
  const ending = primary.establishing.establish(ADMINISTRATOR, request(primary, backup)).catch(() => undefined);
  await cut.promise;
  if (!victims.includes('primary')) await ending;
  for (const victim of victims) {
    sides[victim] = await open(victim, ports[victim]);
    await sides[victim].establishing.resume();
  }
  await checkPair(sides as Record<Side, TestSide>, { ours, theirs });
  for (const name of SIDES) await sides[name]?.crash();
  rmSync(folder, { recursive: true, force: true });
}

async function checkPair({ primary, backup }: Record<Side, TestSide>, { ours, theirs }: { ours: string; theirs: string }) {
  for (const side of [primary, backup, primary]) await side.establishing.settle();
  const isPaired = primary.peer?.keySha256 === backup.key.sha256;
  assert.equal(backup.peer?.keySha256 === primary.key.sha256, isPaired, 'one is paired and the other is not');
  if (!isPaired) {
    assert.equal(identityOf(backup), theirs, 'nothing was replaced on a backup that is none');
    assert.equal(primary.establishing.unfinished(), null);
    await primary.establishing.establish(ADMINISTRATOR, request(primary, backup));
  }
  assert.equal((await primary.dial.request('GET', '/state')).status, 200);
  assert.equal((await backup.dial.request('GET', '/state')).status, 200);
  assert.equal(identityOf(backup), ours);
  assert.deepEqual([primary.establishing.unfinished(), backup.establishing.unfinished()], [null, null]);
}

function identityOf(side: TestSide): string {
  return readFileSync(join(side.keysDir, 'identity.key'), 'utf8');
}

test(`a cut at any step leaves both unpaired or both paired (seed ${random.seed})`, async (t) => {
  const templates = { primary: '', backup: '' };
  for (const name of ['primary', 'backup'] as const) {
    const side = await TestSide.open({ name, preSharedKey: PRE_SHARED });
    await side.stop();
    templates[name] = side.directory;
  }
  t.after(() => Object.values(templates).forEach((folder) => rmSync(folder, { recursive: true, force: true })));
  for (const step of ESTABLISH_STEPS)
    for (const who of EVERY ? Object.keys(VICTIMS) : [random.pick(Object.keys(VICTIMS))])
      await t.test(`${who} cut at ${step}`, { timeout: 60_000 }, () => cutAt(step, VICTIMS[who] ?? [], templates));
});

/** A primary that was cut when it had decided, and had not told the other side; and that one. */
async function cutWhenDecided(t: TestContext): Promise<{ primary: TestSide; backup: TestSide }> {
  const cut = Promise.withResolvers<void>();
  const first = await TestSide.open({
    name: 'primary',
    preSharedKey: PRE_SHARED,
    onStep: async (step) => {
      if (step !== 'committed') return;
      cut.resolve();
      await new Promise(() => undefined);
    },
  });
  const backup = await TestSide.open({ name: 'backup', preSharedKey: PRE_SHARED });
  t.after(() => backup.close());
  void first.establishing.establish(ADMINISTRATOR, request(first, backup)).catch(() => undefined);
  await cut.promise;
  const { directory, port } = first;
  await first.crash();
  const primary = await TestSide.open({ directory, name: 'primary', port });
  t.after(() => primary.close());
  assert.equal(primary.establishing.unfinished()?.phase, 'committed');
  return { primary, backup };
}

test('whoever establishes anew does not wait for what an earlier one has left to be told', { timeout: 60_000 }, async (t) => {
  const { primary, backup } = await cutWhenDecided(t);
  // The two are a pair already, which is what speaks against it.
  const again = primary.establishing.establish(ADMINISTRATOR, request(primary, backup));
  await assert.rejects(again, { code: 'FAILOVER_CHECKS_FAILED' });
  assert.equal(primary.establishing.unfinished(), null);
  assert.equal(backup.peer?.keySha256, primary.key.sha256);
});

test('what was broken before the other side was told of it is not done there afterwards', { timeout: 60_000 }, async (t) => {
  const { primary, backup } = await cutWhenDecided(t);
  const before = identityOf(backup);
  primary.peer = undefined;
  await primary.establishing.settle();
  await backup.establishing.settle();
  assert.deepEqual([primary.establishing.unfinished(), backup.establishing.unfinished()], [null, null]);
  assert.deepEqual([backup.peer, identityOf(backup)], [undefined, before]);
});
