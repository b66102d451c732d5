import type { Installation } from '@bascule/protocol/api/updates.ts';
import { Poller, type PollerFigures } from './poller.ts';
import type { TypingOutcome, TypingSession } from './typing-session.ts';
import type { UpgradeScene } from './upgrade-scene.ts';

const FINISHED_AT_ONCE = 10;

/** What one installation looked like from outside. */
export interface UpgradeFigures {
  what: string;
  installation: Installation;
  /** From the click until the commit, and the same without the watch period. */
  totalMs: number;
  withoutWatchMs: number;
  polled: PollerFigures;
  /** The longest time from a keystroke to its echo in any session. */
  longestGapMs: number;
}

/** Sessions that type and a client that polls, while packages are installed one after the other. */
export class UpgradeRun {
  readonly #scene: UpgradeScene;
  readonly #sessions: TypingSession[];
  readonly #poller: Poller;

  constructor(scene: UpgradeScene, sessions: TypingSession[], pollEveryMs = 5) {
    this.#scene = scene;
    this.#sessions = sessions;
    this.#poller = new Poller(`${scene.appliance.url}/login`, String(scene.site.agent.options.ca), pollEveryMs);
  }

  /** Installs `target` and answers what was seen meanwhile. */
  async install(target: string, onStep?: (installation: Installation) => void): Promise<UpgradeFigures> {
    return this.#watch(target, () => this.#scene.begin(target), onStep);
  }

  async rollBack(kind: 'base' | 'site', onStep?: (installation: Installation) => void): Promise<UpgradeFigures> {
    return this.#watch(`roll back ${kind}`, () => this.#scene.rollBack(kind), onStep);
  }

  async #watch(
    what: string,
    begin: () => Promise<string>,
    onStep?: (installation: Installation) => void,
  ): Promise<UpgradeFigures> {
    this.#poller.take();
    for (const session of this.#sessions) session.takeLongestGapMs();
    const startedAtMs = performance.now();
    const installation = await this.#scene.ended(await begin(), onStep);
    const totalMs = performance.now() - startedAtMs;
    const watch = installation.steps.find(({ step }) => step === 'watch');
    const watchMs = watch?.startedAtMs && watch.endedAtMs ? watch.endedAtMs - watch.startedAtMs : 0;
    return {
      what,
      installation,
      totalMs,
      withoutWatchMs: totalMs - watchMs,
      polled: this.#poller.take(),
      longestGapMs: Math.max(0, ...this.#sessions.map((session) => session.takeLongestGapMs())),
    };
  }

  /** Ends the sessions, some side by side, and compares every byte. */
  async finish(): Promise<TypingOutcome[]> {
    await this.#poller.stop();
    for (const session of this.#sessions) session.stopTyping();
    const outcomes: TypingOutcome[] = [];
    for (let from = 0; from < this.#sessions.length; from += FINISHED_AT_ONCE) {
      const part = this.#sessions.slice(from, from + FINISHED_AT_ONCE);
      outcomes.push(...(await Promise.all(part.map((session) => session.finish()))));
    }
    return outcomes;
  }
}
