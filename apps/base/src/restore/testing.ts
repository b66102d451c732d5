/** A box for tests of restores: a real journal, real uploads and real renames; a site whose state is text, and a program that makes such a site of a file. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { homePaths } from '@bascule/core/home.ts';
import { newId } from '@bascule/core/ids.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { createLog } from '@bascule/log/log.ts';
import type { Restoration } from '@bascule/protocol/api/restore.ts';
import type { Inspected, Kept, Unpacked } from '@bascule/protocol/restore-program.ts';
import { SYSTEM, Store } from '@bascule/store/store.ts';
import type { PairState, SiteSoftware } from '../site-host/site-host.ts';
import type { RestoreHost, RestoredFigures } from './restore-host.ts';
import type { ProgramRun } from './restore-program.ts';
import { Restore, restoreMigrations, type RestoreOptions } from './restore.ts';

const log = createLog('test', 'silent');
export const APPLIANCE = 'vm';
const NO_NAMES = { count: 0, names: [] };
const BACKUP_ID = newId('backup');
const SOFTWARE: SiteSoftware = {
  folder: '',
  version: '1',
  directory: '/',
  node: process.execPath,
  runtimeDir: '/',
  programs: { main: '/nowhere/main.ts', relay: '/nowhere/relay.ts' },
};

/** What an uploaded file says, as JSON: the site that is in it, and what goes wrong with it. */
export interface FakeBackup {
  site: string;
  recordings?: Record<string, string>;
  pair?: Inspected['pair'];
  boxSettings?: string;
  /** Code of a fault of the reader, when it is unpacked. */
  fault?: string;
  /** The trial fails. */
  isUnfit?: boolean;
  lostClients?: Inspected['lostClients'];
  ended?: Inspected['ended'];
}

/** Serves whatever site.db says; one that says `broken` never works. */
class FakeSite implements RestoreHost {
  readonly software = SOFTWARE;
  ready = false;
  failure: string | undefined;
  pairState: PairState | undefined;
  starts = 0;
  /** What was told of the pair. */
  broken: string[] = [];
  readonly #siteDir: string;

  constructor(siteDir: string) {
    this.#siteDir = siteDir;
  }

  processes(): [] {
    return [];
  }

  start(): void {
    this.starts += 1;
    const database = join(this.#siteDir, 'site.db');
    const site = existsSync(database) ? readFileSync(database, 'utf8') : 'new';
    this.failure = site.startsWith('broken') ? 'its database cannot be read.' : undefined;
    this.ready = this.failure === undefined;
    // As the write-ahead log of one that is killed.
    if (this.ready) writeFileSync(`${database}-wal`, site);
  }

  whenReady(): Promise<'ready' | 'failed'> {
    return Promise.resolve(this.ready ? 'ready' : 'failed');
  }

  hold(): Promise<void> {
    this.ready = false;
    return Promise.resolve();
  }

  restore(): Promise<void> {
    this.start();
    return Promise.resolve();
  }

  tryOn(_software: SiteSoftware, siteDir: string): Promise<{ startMs: number; told: string[]; detail: Record<string, number> }> {
    if (readFileSync(join(siteDir, 'site.db'), 'utf8').includes('unfit'))
      return Promise.reject(new AppError('unavailable', 'SITE_CANDIDATE_FAILED', 'It does not work on the copy.'));
    // What a start makes beside the state.
    mkdirSync(join(siteDir, 'recordings'), { recursive: true });
    return Promise.resolve({ startMs: 1, told: [], detail: {} });
  }

  pairDo(_plan: string, _step: number, order: { kind: string }): ReturnType<RestoreHost['pairDo']> {
    this.broken.push(order.kind);
    return Promise.resolve({ kind: 'pair-done', nonce: 1, outcome: 'done' });
  }

  restoredFigures(): Promise<RestoredFigures> {
    return Promise.resolve({ total: 2, back: 1, missing: ['door-7'], unreadableSecrets: ['second factor of ada'] });
  }
}

/** The process of base has ended at this point, as by SIGKILL. */
export class Crashed extends Error {}

export class RestoreWorld implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'bascule-restore-'));
  readonly paths = homePaths(this.directory);
  readonly store: Store;
  site: FakeSite;
  restore: Restore;
  /** Called at each point; what it returns is waited for. */
  point: (step: string, when: 'before' | 'after') => Promise<void> = () => Promise.resolve();
  busy: ReturnType<RestoreOptions['busyWith']>;
  known = { history: '', epoch: 1 };
  settingsApplied: string[] = [];
  #ended: Inspected['ended'];
  #isCrashed = false;

  constructor(old: string | null = 'old') {
    for (const folder of [this.paths.box, this.paths.site.site]) mkdirSync(folder, { recursive: true });
    this.store = Store.open({ path: this.paths.boxDatabase, migrations: restoreMigrations, appliance: APPLIANCE, log });
    if (old !== null) this.write({ 'site.db': old, 'keys/identity.key': old, 'recordings/old.brec': 'old', 'pair.db': old });
    this.site = new FakeSite(this.paths.site.site);
    this.restore = this.#open();
    this.site.start();
  }

  write(files: Record<string, string>): void {
    for (const [name, text] of Object.entries(files)) {
      const file = join(this.paths.site.site, name);
      mkdirSync(join(file, '..'), { recursive: true });
      writeFileSync(file, text);
    }
  }

  /** What the site's folder says that it is, and whether all of it says the same. */
  get state(): string {
    const of = (name: string): string => {
      const file = join(this.paths.site.site, name);
      return existsSync(file) ? readFileSync(file, 'utf8') : '-';
    };
    const [site = '-', ...others] = ['site.db', 'keys/identity.key', 'pair.db', 'site.db-wal'].map(of);
    return others.every((other) => other === site || other === '-') ? site : `half: ${[site, ...others].join(' ')}`;
  }

  /** Uploads `backup`, has it looked into, and gives its id. */
  async upload(backup: FakeBackup): Promise<string> {
    const bytes = Buffer.from(JSON.stringify(backup));
    const { id } = this.restore.uploads.start(SYSTEM, { name: `${crypto.randomUUID()}.age`, totalBytes: bytes.length });
    await this.restore.uploads.append(
      id,
      0,
      (async function* () {
        yield bytes;
      })(),
    );
    await this.restore.look.begin(SYSTEM, id, undefined);
    await this.restore.look.settled();
    return id;
  }

  /** Uploads `backup` and restores it; gives the restore when it has ended. */
  async run(backup: FakeBackup, more: { withBoxSettings?: boolean; breakPair?: boolean } = {}): Promise<Restoration> {
    return await this.ended(this.begin(await this.upload(backup), more));
  }

  begin(upload: string, { withBoxSettings = false, breakPair = false } = {}): string {
    return this.restore.start(SYSTEM, { upload, withBoxSettings, breakPair, confirm: APPLIANCE });
  }

  async ended(id: string): Promise<Restoration> {
    await this.restore.settled();
    return this.restore.find(id);
  }

  /** base is started anew, as boot does after a crash. */
  async restart(): Promise<void> {
    this.#isCrashed = false;
    this.point = () => Promise.resolve();
    this.site = new FakeSite(this.paths.site.site);
    this.restore = this.#open();
    this.restore.resume();
    this.site.start();
    this.restore.continueAfterStart();
    await this.restore.settled();
  }

  /** Ends this base at the `count`th time that it comes to the point; resolves when it has. */
  crashAt(step: string, when: 'before' | 'after', count = 1): Promise<void> {
    const crashed = Promise.withResolvers<void>();
    let left = count;
    this.point = (at, atWhen) => {
      if (at !== step || atWhen !== when || --left > 0) return Promise.resolve();
      this.#isCrashed = true;
      crashed.resolve();
      return new Promise(() => undefined);
    };
    return crashed.promise;
  }

  [Symbol.dispose](): void {
    this.store.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #open(): Restore {
    const { site } = this;
    return new Restore({
      store: this.store,
      paths: this.paths,
      applianceName: APPLIANCE,
      host: site,
      knownEpoch: () => this.known,
      busyWith: () => this.busy,
      describeSettings: (text) => Promise.resolve(text.split('\n')),
      applySettings: (text) => {
        if (text === 'refused') return Promise.reject(new Error('this machine has no second port'));
        this.settingsApplied.push(text);
        return Promise.resolve([text]);
      },
      administrators: () => ['admin'],
      log,
      faultPoint: (step, when) => this.point(step, when),
      program: (run) => this.#program(run),
    });
  }

  /** What restore-main.ts does, on sites that are text. */
  async #program<T>({ order, result, signal }: ProgramRun<T>): Promise<T> {
    if (this.#isCrashed) throw new Crashed();
    await Promise.resolve();
    signal.throwIfAborted();
    if (order.kind === 'inspect') return result.parse({ ...inspectedOf(readBackup(order.file)), ...fileOf(order.file) });
    if (order.kind === 'unpack') {
      const backup = readBackup(order.file);
      this.#ended = backup.ended;
      unpackFake(backup, order.target);
      return result.parse(fileOf(order.file));
    }
    if (order.kind === 'keep') {
      const epoch = this.known.epoch + 1;
      this.known = { history: `his_${epoch}`, epoch };
      const site = readFileSync(join(order.folder, 'site.db'), 'utf8');
      writeFileSync(join(order.folder, 'pair.db'), site);
      const contents = existsSync(join(order.folder, 'recordings')) ? ['recordings'] : [];
      const kept: Kept = {
        ...this.known,
        lostClients: NO_NAMES,
        keysFrom: 'backup',
        contents: contents as Kept['contents'],
        recordings: 0,
        files: 0,
        ended: this.#ended,
      };
      return result.parse(kept);
    }
    return result.parse(undefined);
  }
}

/** Another one when anything else is in it. */
function fileOf(file: string): Unpacked {
  return { id: BACKUP_ID, madeAtMs: 1, mark: createHash('sha256').update(readFileSync(file)).digest('hex') };
}

function readBackup(file: string): FakeBackup {
  return JSON.parse(readFileSync(file, 'utf8')) as FakeBackup;
}

function unpackFake({ site, fault, isUnfit, recordings, boxSettings }: FakeBackup, target: string): void {
  mkdirSync(join(target, 'keys'), { recursive: true });
  if (fault !== undefined) throw new AppError('invalid', fault, 'The backup is damaged.');
  const text = isUnfit === true ? `${site} unfit` : site;
  writeFileSync(join(target, 'site.db'), text);
  writeFileSync(join(target, 'keys', 'identity.key'), text);
  for (const [name, content] of Object.entries(recordings ?? {})) {
    mkdirSync(join(target, 'recordings'), { recursive: true });
    writeFileSync(join(target, 'recordings', name), content);
  }
  if (boxSettings === undefined) return;
  mkdirSync(join(target, 'box'), { recursive: true });
  writeFileSync(join(target, 'box', 'settings.json'), boxSettings);
}

function inspectedOf({ pair, boxSettings, fault, lostClients, ended }: FakeBackup): Omit<Inspected, keyof Unpacked> {
  if (fault === 'BACKUP_PASSWORD_WRONG') throw new AppError('invalid', fault, 'This is not the password.');
  return {
    appliance: 'old box',
    siteVersion: '1',
    basePackage: null,
    history: '',
    epoch: 1,
    schema: 1,
    hasPassword: true,
    parts: [],
    unpackedBytes: 1,
    migrations: [],
    isSameSite: true,
    replaced: null,
    contents: { users: 1, clients: 2, sessions: 0 },
    lostClients: lostClients ?? NO_NAMES,
    loginAdministrators: { count: 1, names: ['ada'] },
    loginUsers: 1,
    vaultKey: { state: 'missing', secrets: 3 },
    boxSettings: boxSettings ?? null,
    ended,
    pair: pair ?? null,
  };
}
