import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { AppError } from '@bascule/errors/app-error.ts';
import { createLog } from '@bascule/log/log.ts';
import type { BoxQuestion } from '@bascule/protocol/api/plans.ts';
import type { Installation } from '@bascule/protocol/api/updates.ts';
import { Store } from '@bascule/store/store.ts';
import { BoxAnswers, type AnsweringSoftware } from './box-answers.ts';
import { planMigrations } from './plan-migrations.ts';
import { PLAN } from './testing.ts';

const SITE = 'site/bascule-site-0.2.0.tar.zst';

/** Software that only notes what it is told to do. */
class NotedSoftware implements AnsweringSoftware {
  versions = { base: '0.1.0', site: '0.1.0' };
  history: Installation[] = [];
  running: Installation | undefined;
  accepted: string | null = null;
  readonly calls: string[] = [];
  /** Dies after it has begun, before anybody hears of it. */
  dies = false;

  next() {
    const offer = { target: SITE, kind: 'site' as const, version: '0.2.0', downloaded: true, sha256: null, expectedSeconds: 90 };
    return this.versions.site === '0.2.0' ? [] : [{ ...offer, eulaAcceptedBy: this.accepted }];
  }
  describe(target: string) {
    return target === SITE ? { kind: 'site', version: '0.2.0' } : undefined;
  }
  async check(): Promise<void> {
    this.calls.push('check');
  }
  acceptEula(_by: unknown, _target: string, name: string): void {
    this.accepted = name;
  }
  install(by: { actor: { name: string } }, target: string, overrule: string[]): string {
    this.calls.push(`install ${target} ${overrule.join()} by ${by.actor.name}`);
    return this.#begin('install', '0.2.0');
  }
  async snapshot(): Promise<void> {
    this.calls.push('snapshot');
  }
  engine = {
    running: () => this.running,
    history: () => this.history,
    rollBack: (): string => {
      this.calls.push('roll back');
      return this.#begin('roll-back', '0.1.0');
    },
    installed: () =>
      (['base', 'site'] as const).map((kind) => ({
        kind,
        version: this.versions[kind],
        previousVersion: kind === 'site' && this.versions.site === '0.2.0' ? '0.1.0' : null,
      })),
  };

  #begin(operation: Installation['operation'], toVersion: string): string {
    const id = `ins_${this.history.length + 1}`;
    this.running = { id, kind: 'site', operation, toVersion, startedAtMs: 2_000, outcome: 'running' } as Installation;
    this.history.unshift(this.running);
    if (this.dies) throw new Error('the process is dead');
    return id;
  }
  end(outcome: Installation['outcome']): void {
    if (this.running !== undefined && outcome === 'installed') this.versions.site = this.running.toVersion;
    this.running = undefined;
  }
}

describe('what a base answers to the other one', () => {
  let directory: string;
  let store: Store;
  let software: NotedSoftware;
  let answers: BoxAnswers;
  let backup: { state: 'running' | 'restorable' | 'failed'; file?: string; error?: string } | undefined;
  const install = (attempt = 1): BoxQuestion => ({
    kind: 'install',
    target: SITE,
    plan: PLAN,
    attempt,
    overrule: ['clients-pending'],
    acceptEula: 'Ada',
  });
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'bascule-answers-'));
    const log = createLog('test', 'silent');
    store = Store.open({ path: join(directory, 'box.db'), migrations: planMigrations, appliance: 'B', log });
    software = new NotedSoftware();
    answers = new BoxAnswers({
      store,
      software,
      host: {
        ready: true,
        pairState: { role: 'backup' },
        testSession: async () => ({ outcome: 'no-client' }),
        sitePreflight: async () => ({ sessions: [{ session: 'acs_1' }], clientsOnline: 3 }),
        makeBackup: async () => backup,
        fleet: async () => {
          throw new AppError('unavailable', 'SITE_UNAVAILABLE', 'It does not know the question.');
        },
      },
      addresses: () => [],
      certificates: () => ({ publicHost: '', served: [] }),
      onPlanShown: () => undefined,
      now: () => 1_000,
    });
  });
  afterEach(() => {
    store.close();
    rmSync(directory, { recursive: true });
  });

  it('has the site make a backup before an upgrade, and copies both databases where the site cannot', async () => {
    const question = { kind: 'backup' as const, plan: PLAN };
    backup = { state: 'running', file: 'a.bascule-backup' };
    assert.deepEqual(await answers.answer('A', question), { ok: true, backup });
    backup = { state: 'failed', error: 'The disk is full.' };
    assert.deepEqual(await answers.answer('A', question), { ok: true, backup });
    assert.deepEqual(software.calls, []);
    backup = undefined;
    assert.deepEqual(await answers.answer('A', question), { ok: true, backup: { state: 'snapshot' } });
    assert.deepEqual(software.calls, ['snapshot']);
  });

  it('installs once for one attempt of a plan, however often it is asked, with the agreement by name', async () => {
    assert.deepEqual(await answers.answer('A', install()), { ok: true, id: 'ins_1' });
    assert.deepEqual(await answers.answer('A', install()), { ok: true, id: 'ins_1' });
    assert.deepEqual(software.calls, [`install ${SITE} clients-pending by upgrade plan on A`]);
    assert.equal(software.accepted, 'Ada');
    software.end('installed');
    assert.deepEqual(await answers.answer('A', install(2)), { ok: true }, 'it is in use: nothing to do');
    assert.equal(software.calls.length, 1);
  });

  it('finds what was begun when base died before its id was noted, and begins again what failed only for another attempt', async () => {
    software.dies = true;
    await assert.rejects(answers.answer('A', install()), /dead/);
    software.dies = false;
    assert.deepEqual(await answers.answer('A', install()), { ok: true, id: 'ins_1' });
    software.end('rolled-back');
    assert.deepEqual(await answers.answer('A', install()), { ok: true, id: 'ins_1' });
    assert.deepEqual(await answers.answer('A', install(2)), { ok: true, id: 'ins_2' });
    assert.equal(software.calls.length, 2);
  });

  it('installs nothing that is not offered here', async () => {
    const { ok, error } = await answers.answer('A', { ...install(), target: 'site/other.tar.zst' } as BoxQuestion);
    assert.deepEqual([ok, error?.code, software.calls.length], [false, 'PLAN_TARGET_UNKNOWN', 0]);
  });

  it('rolls back to the version before and to no other, once', async () => {
    const back = (version: string): BoxQuestion => ({ kind: 'roll-back', package: 'site', version, plan: PLAN, attempt: 1 });
    assert.deepEqual(await answers.answer('A', back('0.1.0')), { ok: true }, 'it is in use');
    software.versions.site = '0.2.0';
    assert.equal((await answers.answer('A', back('0.1.0'))).error?.code, 'PLAN_NOT_ITS_OWN', 'somebody else installed it');
    software.versions.site = '0.1.0';
    await answers.answer('A', install());
    software.end('installed');
    assert.equal((await answers.answer('A', back('0.0.9'))).error?.code, 'PLAN_NO_PREVIOUS');
    assert.deepEqual(await answers.answer('A', back('0.1.0')), { ok: true, id: 'ins_2' });
    assert.deepEqual(await answers.answer('A', back('0.1.0')), { ok: true, id: 'ins_2' });
    assert.deepEqual(software.calls.slice(1), ['roll back']);
  });

  it('says who is in a session also where nobody knows how far clients are', async () => {
    assert.deepEqual(await answers.answer('A', { kind: 'sessions' }), {
      ok: true,
      sessions: { running: ['acs_1'], clientsOnline: 3, clients: null },
    });
    const { software: found } = await answers.answer('A', { kind: 'software' });
    assert.deepEqual([found?.site, found?.role, found?.installable[0]?.target], ['0.1.0', 'backup', SITE]);
  });
});
