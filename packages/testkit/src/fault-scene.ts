/** An appliance whose installations are hit by faults, and what must be true of it afterwards (I1 to I4). */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { users } from '@bascule/protocol/api/auth.ts';
import { history, type Installation, type InstallationStep, type UpdatesState } from '@bascule/protocol/api/updates.ts';
import type { ProcessState } from '@bascule/protocol/appliance-control.ts';
import { ApiFailure, type ApiClient } from './api-client.ts';
import { FaultInjector, FAULTS_BY_FILE, killUnlessGone } from './fault-injector.ts';
import type { LaunchOptions } from './launch-appliance.ts';
import type { TypingSession } from './typing-session.ts';
import { NEXT_VERSION, UpgradeScene } from './upgrade-scene.ts';
import { waitUntil } from './wait-until.ts';

/** An installation that was hit has ended, and the appliance is itself again, within this. */
export const RECOVERY_LIMIT_MS = 240_000;
const STATE_INTERVAL_MS = 100;
const KEY_EVERY_MS = 50;
export const FIRST_VERSION = '0.1.0';

export type Kind = 'base' | 'site';
export interface Operation {
  kind: Kind;
  does: 'install' | 'roll-back';
}

/** The steps of an operation, in order. */
const FETCHED: InstallationStep[] = ['download', 'verify', 'stage', 'preflight', 'snapshot'];
const SITE_STEPS: InstallationStep[] = [
  'candidate',
  'health',
  'freeze',
  'migrate',
  'take-write',
  'switch',
  'drain',
  'watch',
  'commit',
];
const BASE_STEPS: InstallationStep[] = ['switch', 'drain', 'watch', 'commit'];

type Ended = Omit<Installation, 'preflight' | 'verification'>;

export function stepsOf({ kind, does }: Operation): InstallationStep[] {
  return [...(does === 'install' ? FETCHED : []), ...(kind === 'site' ? SITE_STEPS : BASE_STEPS)];
}

export class FaultScene implements AsyncDisposable {
  readonly scene: UpgradeScene;
  readonly faults: FaultInjector;
  readonly session: TypingSession;
  /** The newest installation that is known. */
  #newest: string | undefined;
  /** Names of users that were made, all of which must be there at the end (I4). */
  readonly #made: { box: string[]; site: string[] } = { box: [], site: [] };

  private constructor(scene: UpgradeScene, session: TypingSession) {
    this.scene = scene;
    this.session = session;
    this.faults = new FaultInjector(scene.appliance);
  }

  /** An appliance that trusts the update server at `server`, with one client and a session that types. boot is started again as systemd would. */
  static async start(server: { url: string }, watchSeconds: number, options: LaunchOptions = {}): Promise<FaultScene> {
    const environment = { ...FAULTS_BY_FILE, ...options.environment };
    const scene = await UpgradeScene.start({ ...options, environment });
    try {
      await scene.trust(server, watchSeconds);
      scene.appliance.keepBootRunning();
      return new FaultScene(scene, await scene.typing(scene.items[0] ?? '', KEY_EVERY_MS));
    } catch (error) {
      await scene[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.faults[Symbol.asyncDispose]();
    this.session[Symbol.dispose]();
    await this.scene[Symbol.asyncDispose]();
  }

  /** What can be done now: an earlier version is followed by the next, and the next is gone back from. */
  async possible(): Promise<Operation[]> {
    const state = await this.scene.state();
    return (['site', 'base'] as const).map((kind) => ({
      kind,
      does: this.scene.installed(state, kind) === FIRST_VERSION ? 'install' : 'roll-back',
    }));
  }

  /** Begins; undefined when the answer did not come because base was hit before it. */
  async begin({ kind, does }: Operation): Promise<string | undefined> {
    try {
      return await (does === 'install' ? this.scene.begin(this.scene.target(kind)) : this.scene.rollBack(kind));
    } catch (error) {
      // Who is refused has made a mistake; who hears nothing was cut off.
      if (error instanceof ApiFailure && error.status < 500) throw error;
      return undefined;
    }
  }

  /** Does it without any fault. */
  async plainly(operation: Operation): Promise<void> {
    const id = await this.begin(operation);
    const { ended } = await this.afterwards(operation, id);
    assert.equal(ended?.outcome, 'installed', JSON.stringify(ended?.cause));
  }

  /** A change in both databases that is answered for, so that it must be there ever after. */
  async change(): Promise<void> {
    for (const where of ['box', 'site'] as const) {
      const name = `kept-${this.#made[where].length}`;
      await this.scene[where].call('POST', 'users', z.unknown(), { name, displayName: '', role: 'administrator' });
      this.#made[where].push(name);
    }
  }

  /**
   * After a fault: the appliance has come up by itself; pointer, journal and programs are of one version; nothing is left over; every change that was
   * answered for is there; and keys of the session arrive again.
   */
  async afterwards({ kind }: Operation, id: string | undefined): Promise<{ ended: Ended | undefined; state: UpdatesState }> {
    const typedBefore = this.session.typedBytes;
    await this.scene.appliance.ready();
    const state = await this.untilNothingRuns();
    const ended = await this.#ended(id);
    const version = this.scene.installed(state, kind);
    assert.ok(version === FIRST_VERSION || version === NEXT_VERSION, `${kind} ${version} is in use`);
    if (ended !== undefined)
      assert.equal(version, ended.outcome === 'installed' ? ended.toVersion : ended.fromVersion, `outcome ${ended.outcome}`);
    const previous = state.installed.find((one) => one.kind === kind)?.previousVersion;
    if (version === NEXT_VERSION) assert.equal(previous, FIRST_VERSION, 'there is nothing to go back to');
    await this.assertWhole(state);
    await this.assertKept();
    await waitUntil(
      'keys of the session arrive again',
      () => this.session.typedBytes > typedBefore && this.session.unconfirmedBytes === 0,
      RECOVERY_LIMIT_MS,
    );
    return { ended, state };
  }

  /** As the history tells it; of one whose id was not heard, if it has begun at all. */
  async #ended(id: string | undefined): Promise<Ended | undefined> {
    const { installations } = await this.scene.box.call('GET', 'updates/history', history);
    const newest = installations[0];
    const found = id === undefined && newest?.id !== this.#newest ? newest : installations.find((one) => one.id === id);
    this.#newest = newest?.id;
    if (id !== undefined) assert.ok(found, `the history does not know ${id}`);
    assert.notEqual(found?.endedAtMs, null);
    return found;
  }

  /** SIGKILLs every program of the appliance, as a power cut would, and waits until they are gone; boot is started by whoever calls this. */
  async killPrograms(): Promise<void> {
    const { appliance } = this.scene;
    appliance.keepBootRunning(false);
    await waitUntil('all programs are gone', () => {
      const running = programsOf(appliance.home);
      for (const { pid } of running) killUnlessGone(pid);
      return running.length === 0;
    });
  }

  async untilNothingRuns(): Promise<UpdatesState> {
    let lookedAtMs = 0;
    return waitUntil(
      'no installation runs',
      async () => {
        if (performance.now() - lookedAtMs < STATE_INTERVAL_MS) return undefined;
        lookedAtMs = performance.now();
        const now = await this.scene.state();
        return now.running === null ? now : undefined;
      },
      RECOVERY_LIMIT_MS,
    );
  }

  /** Pointers name what the journal says and what runs; and nothing half made is on the disk or in memory. */
  async assertWhole(state: UpdatesState): Promise<void> {
    const { paths } = this.scene.appliance;
    const folders = { base: currentFolder(paths.baseSoftware), site: currentFolder(paths.siteSoftware) };
    for (const kind of ['base', 'site'] as const)
      assert.equal(folders[kind].split('-')[0], this.scene.installed(state, kind), `the pointer of ${kind}`);
    await waitUntil(
      `the programs that run are those of ${JSON.stringify(folders)} and no others`,
      async () => {
        const problem = programProblem(paths.home, folders, await this.scene.appliance.processes());
        if (problem !== undefined) throw new Error(problem);
        return true;
      },
      RECOVERY_LIMIT_MS,
    );
    await waitUntil('nothing is left over', () => {
      const found = leftovers(paths);
      if (found.length > 0) throw new Error(found.join(', '));
      return true;
    });
  }

  /** Everything that was answered for (I4). */
  async assertKept(): Promise<void> {
    for (const where of ['box', 'site'] as const) {
      const names = await waitUntil(`${where} names its users`, async () => userNames(this.scene[where]));
      assert.deepEqual(
        this.#made[where].filter((name) => !names.has(name)),
        [],
        `changes that are gone from ${where}.db`,
      );
    }
  }
}

async function userNames(api: ApiClient): Promise<Set<string>> {
  return new Set((await api.call('GET', 'users', users)).users.map(({ name }) => name));
}

function currentFolder(directory: string): string {
  return readlinkSync(join(directory, 'current'));
}

/** Programs of the appliance (clients apart) that run and are not named by base, or are of another version than the pointers say. */
function programProblem(home: string, folders: Record<Kind, string>, named: ProcessState[]): string | undefined {
  const running = programsOf(home);
  const strangers = running.filter(({ pid }) => !named.some((one) => one.pid === pid));
  if (strangers.length > 0) return `not named by base: ${strangers.map(({ about }) => about).join('; ')}`;
  for (const { name, pid } of named) {
    if (name === 'boot' || name === 'helper') continue;
    const folder = name === 'base' ? `base/${folders.base}` : `site/${folders.site}`;
    const about = running.find((one) => one.pid === pid)?.about;
    if (about?.includes(`/software/${folder}`) !== true) return `${name} ${pid} is ${about ?? 'gone'}, not of ${folder}`;
  }
  return undefined;
}

/** By their Node, since some give themselves another name; the site's say in their environment which version they are. */
function programsOf(home: string): { pid: number; about: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        if (!readlinkSync(`/proc/${name}/exe`).startsWith(`${home}/software/`)) return [];
        const [command, environment] = ['cmdline', 'environ'].map((file) => readFileSync(`/proc/${name}/${file}`, 'utf8'));
        const directory = /"softwareDir":"([^"]*)"/.exec(environment ?? '')?.[1] ?? '';
        return [{ pid: Number(name), about: `${(command ?? '').replaceAll('\0', ' ')} ${directory}` }];
      } catch {
        // It has ended meanwhile, or is somebody else's.
        return [];
      }
    })
    .filter(({ about }) => !about.includes('/apps/jump-client/'));
}

/** What an installation makes and must not leave behind. */
function leftovers(paths: UpgradeScene['appliance']['paths']): string[] {
  const halves = [paths.baseSoftware, paths.siteSoftware, paths.runtimes, paths.snapshots].flatMap((directory) =>
    existsSync(directory)
      ? readdirSync(directory)
          .filter((name) => /\.(partial|next)$|^trial/.test(name))
          .map((name) => join(directory, name))
      : [],
  );
  const sockets = readdirSync(paths.site.run, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [...halves, ...(sockets.length > 1 ? sockets.map(({ name }) => `sockets of ${name}`) : [])];
}
