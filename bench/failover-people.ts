/** Who is at the pair in the failover benchmark: people with live sessions, real Jump Clients, and many simulated ones. */
import { setTimeout as delay } from 'node:timers/promises';
import { must } from '@bascule/core/must.ts';
import { createdUser } from '@bascule/protocol/api/auth.ts';
import { createdInstallerToken } from '@bascule/protocol/api/jump.ts';
import type { ApiClient } from '@bascule/testkit/api-client.ts';
import { SHARED_ADDRESS, type NetworkPair } from '@bascule/testkit/network-pair.ts';
import { TypingSession } from '@bascule/testkit/typing-session.ts';
import { SITE_PASSWORD } from '@bascule/testkit/upgrade-scene.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { Swarm } from './fleet-swarm.ts';

/** What the site lets one person have, and one Jump Item. */
const SESSIONS_EACH = 20;
const KEY_EVERY_MS = 200;
/** Log-ins of one address are limited to one in three seconds. */
const LOGIN_PAUSE_MS = 10_000;
/** A second of typing. */
const UNCONFIRMED_MAX_BYTES = 1000 / KEY_EVERY_MS;
const TYPING_LIMIT_MS = 90_000;
const SWARM_LIMIT_MS = 120_000;
const FINISHED_AT_ONCE = 5;
/** Simulated clients dial from these addresses of their machine. */
const SOURCES = Array.from({ length: 90 }, (_, index) => `10.77.0.${151 + index}`).filter((address) => address !== '10.77.0.200');
const SOFTWARE = { version: '0.1.0', revision: 'bench', bundle: 'b'.repeat(64), runtime: 'c'.repeat(64) };

interface CrowdOptions {
  sessions: number;
  clients: number;
  say(line: string): void;
}

export class Crowd implements AsyncDisposable {
  /** Somebody logged in at the shared address. */
  readonly api: ApiClient;
  /** Somebody else, who makes changes. */
  readonly writer: ApiClient;
  /** All of them, real and simulated. */
  readonly clients: number;
  readonly #typing: TypingSession[];
  readonly #swarm: Swarm | undefined;

  private constructor(people: ApiClient[], typing: TypingSession[], swarm: Swarm | undefined, clients: number) {
    this.api = must(people[0], 'a person');
    this.writer = must(people[1], 'a second person');
    this.#typing = typing;
    this.#swarm = swarm;
    this.clients = clients;
  }

  static async come(scene: NetworkPair, { sessions, clients, say }: CrowdOptions): Promise<Crowd> {
    const { network, pair, url } = scene;
    const first = await scene.client();
    const onMachine = ['ip', 'netns', 'exec', network.namespace('c')];
    const real = Math.ceil(sessions / SESSIONS_EACH);
    const names = Array.from({ length: real }, (_, index) => `far-${index}`);
    // They are stopped with the appliance that started them, which dies here now and then.
    for (const name of names) await pair.a.appliance.startJumpClient({ name, url, onMachine });
    const items = await Promise.all(names.map((name) => first.onlineItem(name)));
    const swarm = clients === 0 ? undefined : await swarmOf(scene, first, clients);
    say('people log in ...');
    const people = await peopleOf(first, Math.max(real, 2));
    const typing: TypingSession[] = [];
    for (let number = 0; number < sessions; number += 1)
      typing.push(
        await TypingSession.start(
          must(people[number % real], 'a person'),
          must(items[number % real], 'a Jump Item'),
          KEY_EVERY_MS,
        ),
      );
    say(`${sessions} sessions are typing`);
    return new Crowd(people, typing, swarm, clients + real);
  }

  /** Of all sessions. */
  takeLongestGapMs(): number {
    return Math.max(0, ...this.#typing.map((session) => session.takeLongestGapMs()));
  }

  /** Until what was typed arrives again in every session. */
  async typingGoesOn(): Promise<void> {
    const isGoing = ({ typedBytes, unconfirmedBytes }: TypingSession) =>
      typedBytes > 0 && unconfirmedBytes <= UNCONFIRMED_MAX_BYTES;
    await waitUntil('every session goes on', () => this.#typing.every(isGoing), TYPING_LIMIT_MS);
    await delay(KEY_EVERY_MS * 5);
  }

  /** Ends all sessions and compares every byte that was typed, shown and recorded. */
  async finish(): Promise<{ sessionsLost: number; bytesLost: number }> {
    for (const session of this.#typing) session.stopTyping();
    let sessionsLost = 0;
    let bytesLost = 0;
    const waiting = [...this.#typing];
    const work = async () => {
      for (let session = waiting.pop(); session !== undefined; session = waiting.pop()) {
        const outcome = await session.finish().catch((error: unknown) => {
          process.stderr.write(`a session was lost: ${String(error)}\n`);
          return undefined;
        });
        if (outcome === undefined || outcome.isLost || !outcome.isRecordingWhole) sessionsLost += 1;
        bytesLost += outcome?.bytesLost ?? 0;
      }
    };
    await Promise.all(Array.from({ length: FINISHED_AT_ONCE }, work));
    return { sessionsLost, bytesLost };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#typing) session[Symbol.dispose]();
    this.#swarm?.[Symbol.dispose]();
  }
}

async function swarmOf({ network, url }: NetworkPair, api: ApiClient, count: number): Promise<Swarm> {
  for (const address of SOURCES) network.ip('c', 'address', 'add', `${address}/24`, 'dev', 'eth0');
  const body = { name: 'swarm', validForHours: 1, uses: count, groupId: null, approveEach: false };
  const { secret } = await api.call('POST', 'jump/tokens', createdInstallerToken, body);
  const swarm = new Swarm({
    host: SHARED_ADDRESS,
    port: Number(new URL(url).port),
    token: secret,
    count,
    software: SOFTWARE,
    onMachine: ['ip', 'netns', 'exec', network.namespace('c')],
    from: SOURCES,
  });
  await swarm.until('enrolled', count, SWARM_LIMIT_MS);
  swarm.connect();
  await swarm.until('connected', count, SWARM_LIMIT_MS);
  return swarm;
}

/** `count` administrators, the first one included. */
async function peopleOf(first: ApiClient, count: number): Promise<ApiClient[]> {
  const people = [first];
  while (people.length < count) {
    const name = `person-${people.length}`;
    const { oneTimePassword } = await first.call('POST', 'users', createdUser, {
      name,
      displayName: name,
      role: 'administrator',
    });
    const api = first.fresh();
    api.agent.options.rejectUnauthorized = false;
    // Taking over is up to three of them.
    await delay(LOGIN_PAUSE_MS);
    await api.takeOver(oneTimePassword, SITE_PASSWORD, name);
    people.push(api);
  }
  return people;
}
