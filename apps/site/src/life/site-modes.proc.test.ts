/** What the programs of a site do, and do not, before they are the ones in force. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import { raiseGeneration } from '@bascule/store/generation-file.ts';
import { SiteStage } from './testing.ts';

let stage: SiteStage;

before(async () => {
  stage = new SiteStage();
  await stage.takeOver((await stage.serve())!);
  const { main, relay } = stage.active!;
  for (const program of [main, relay]) program.send({ kind: 'stop' });
  const [[mainCode], [relayCode]] = (await Promise.all([main.exited, relay.exited])) as [[number], [number]];
  assert.deepEqual([mainCode, relayCode], [0, 0]);
});
after(() => stage.close());

/** Every file below the site's directory with size, time of change and content. */
function filesOf(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const { size, mtimeMs } = statSync(path);
      const hash = entry.isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : entry.isDirectory();
      return `${path} ${size} ${mtimeMs} ${hash}`;
    })
    .sort();
}

test('a prepared pair has written nothing, answers health and questions, becomes the writer when told, and can be told to go instead', async () => {
  const before = filesOf(stage.paths.site);
  const refused = stage.pair('prepare', 1);
  const pair = stage.pair('prepare', 1);
  for (const each of [refused, pair]) await Promise.all([each.main.next('prepared'), each.relay.next('prepared')]);
  const { schema, pending } = await pair.main.next('prepared');
  assert.ok(schema > 4);
  assert.deepEqual(pending, []);
  for (const program of [pair.main, pair.relay])
    assert.deepEqual((await program.ask({ kind: 'health', nonce: 1 }, 'health')).detail, { prepared: true });
  const { error } = await pair.main.ask({ kind: 'preflight', nonce: 2 }, 'preflight');
  assert.match(error ?? '', /not active/);
  for (const program of [refused.main, refused.relay]) program.send({ kind: 'stop', comeBackAtOnce: true });
  await Promise.all([refused.main.exited, refused.relay.exited]);
  assert.deepEqual(filesOf(stage.paths.site), before);

  const generation = raiseGeneration(stage.paths.generation);
  for (const program of [pair.main, pair.relay]) program.send({ kind: 'activate', generation });
  await Promise.all([pair.main.next('ready'), pair.relay.next('ready')]);
  stage.active = pair;
  assert.equal((await stage.http('GET', '/api/auth/me')).status, 200);
  // Another generation is in force: this writer is shut out.
  raiseGeneration(stage.paths.generation);
  assert.notEqual((await stage.http('POST', '/api/auth/logout')).status, 200);
  for (const program of [pair.main, pair.relay]) program.child.kill('SIGKILL');
  await Promise.all([pair.main.exited, pair.relay.exited]);
  stage.active = undefined;
});

test('what is broken is said in one sentence while it is prepared, and nothing is changed', async () => {
  const software = join(stage.home, 'broken');
  mkdirSync(join(software, 'apps'), { recursive: true });
  const cases: [string, () => object, RegExp][] = [
    ['no web pages', () => ({ softwareDir: software }), /lacks .*login\.html/],
    [
      'a key that is none',
      () => (writeFileSync(join(stage.paths.keys, 'identity.key'), 'garbage'), {}),
      /identity\.key cannot be read/,
    ],
    [
      'a schema of newer software that did not only add',
      () => {
        const raw = new DatabaseSync(stage.paths.database);
        raw.exec("INSERT INTO applied_migration (version, name, sha256, at_ms, additive) VALUES (900, 'later', 'x', 1, 0)");
        raw.close();
        return {};
      },
      /newer software/,
    ],
    ['a database that is none', () => (writeFileSync(stage.paths.database, 'garbage'), {}), /is damaged/],
  ];
  const kept = join(stage.home, 'kept');
  cpSync(stage.paths.site, kept, { recursive: true });
  for (const [name, spoil, says] of cases) {
    const start = spoil();
    const before = filesOf(stage.paths.site);
    const program = stage.program('main.ts', { mode: 'prepare', ...start });
    await assert.rejects(program.next('prepared'), says, name);
    const [code] = (await program.exited) as [number];
    assert.equal(code, 1);
    assert.deepEqual(filesOf(stage.paths.site), before, name);
    rmSync(stage.paths.site, { recursive: true });
    cpSync(kept, stage.paths.site, { recursive: true });
  }
  if (process.getuid?.() !== 0) {
    chmodSync(stage.paths.recordings, 0o000);
    const relay = stage.program('relay-main.ts', { mode: 'prepare' });
    await assert.rejects(relay.next('prepared'), /permission denied/);
    chmodSync(stage.paths.recordings, 0o700);
  }
});

test('a trial migrates a scratch copy, measures each migration, and listens nowhere; the site is as it was', async () => {
  const scratch = join(stage.home, 'scratch');
  mkdirSync(scratch);
  cpSync(stage.paths.database, join(scratch, 'site.db'));
  const raw = new DatabaseSync(join(scratch, 'site.db'));
  // As a version before the last one of the settings left it.
  const removed = raw.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'mail%'").all() as {
    name: string;
  }[];
  for (const { name } of removed) raw.exec(`DROP TABLE ${name}`);
  raw.exec('DELETE FROM applied_migration WHERE version BETWEEN 60 AND 64');
  raw.close();
  const before = filesOf(stage.paths.site);
  const trial = stage.program('main.ts', { mode: 'trial', siteDir: scratch, runDir: join(scratch, 'run') });
  const { detail = {} } = await trial.next('ready');
  const migrations = Object.keys(detail).filter((name) => name.startsWith('migration '));
  assert.ok(migrations.length > 0 && migrations.every((name) => Number(detail[name]) >= 0));
  const steps = trial.messages.filter((message) => message.kind === 'progress');
  assert.deepEqual(
    steps.map(({ done, total }) => [done, total]),
    migrations.map((_, index) => [index, migrations.length]),
  );
  assert.deepEqual(readdirSync(join(scratch, 'run')), []);
  trial.send({ kind: 'stop' });
  const [code] = (await trial.exited) as [number];
  assert.equal(code, 0);
  assert.deepEqual(filesOf(stage.paths.site), before);
});
