import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import type { TrafficState } from '@bascule/protocol/api/network.ts';
import { hookOutput } from '@bascule/protocol/helper-verbs.ts';
import { SYSTEM } from '@bascule/store/store.ts';
import { HOOK_WAIT_MS, type Addresses, type HelperClient } from '../network/network.ts';
import type { PairState } from '../site-host/site-host.ts';
import { pointName } from './dns-update.ts';
import type { Holder } from './traffic-holder.ts';
import type { LastMove, TrafficRecords } from './traffic-settings.ts';
import type { ResolutionWatch } from './traffic-watch.ts';

/** Waits between tries, the last one again and again for as long as this appliance serves. */
export const MOVE_WAITS_MS = [250, 500, 1_000, 2_000, 5_000, 10_000, 30_000];
/** A move that has not come about by then is called failed, with a mail and a banner, and is tried on. */
export const MOVE_FAILED_AFTER_MS = 20_000;
/** What a hook or server says is cut to this for page and audit. */
const TEXT_MAX_CHARACTERS = 500;

export interface MoverOptions {
  records: TrafficRecords;
  addresses: Addresses;
  holder: Holder;
  helper: HelperClient;
  watch: ResolutionWatch;
  /** A person is needed. */
  tellPeople(what: string, advice: string): void;
  applianceName: string;
  sharedName: string;
  log: Log;
  now: () => number;
  failedAfterMs?: number;
  waitsMs?: readonly number[];
}

/** Brings the traffic here when this appliance comes to serve, and once for each epoch: what was done is remembered over restarts. */
export class Mover {
  readonly #options: MoverOptions;
  #current: { to: 'here' | 'away'; of: string; stop: AbortController; ended: Promise<void> } | undefined;
  #isOver = false;

  constructor(options: MoverOptions) {
    this.#options = options;
  }

  lastMove(): TrafficState['lastMove'] {
    const last = this.#options.records.lastMove();
    return last === undefined ? null : { atMs: last.atMs, to: last.to, outcome: last.outcome, text: last.text };
  }

  /** What main said: it may be time for a move. */
  hear(state: PairState): void {
    const of = `${state.history} ${state.epoch}`;
    const last = this.#options.records.lastMove();
    if (this.#isOver || (this.#current?.of === of && this.#current.to === (state.serves ? 'here' : 'away'))) return;
    if (state.serves) {
      const isDone = last?.to === 'here' && last.of === of && last.outcome === 'done';
      if (!isDone && this.#hasWork(state)) this.#begin('here', of);
      return;
    }
    if (this.#current?.to === 'here' || last?.to === 'here') this.#begin('away', of);
  }

  /** Does it once more, by hand. Throws `TRAFFIC_NOT_SERVING`. */
  again(state: PairState | undefined): void {
    if (state?.serves !== true)
      throw new AppError(
        'conflict',
        'TRAFFIC_NOT_SERVING',
        'This appliance is not the primary: the traffic belongs to the other one.',
      );
    this.#begin('here', `${state.history} ${state.epoch}`);
  }

  async close(): Promise<void> {
    this.#isOver = true;
    this.#current?.stop.abort();
    await this.#current?.ended;
  }

  /** An appliance by itself has nobody to take traffic from; what is set up is done all the same, for it may have been moved by hand. */
  #hasWork({ role }: PairState): boolean {
    const { way } = this.#options.records.settings();
    if (way === 'shared-ip') return this.#options.addresses.shared().length > 0;
    return way !== 'checklist' || role === 'primary';
  }

  #begin(to: 'here' | 'away', of: string): void {
    const before = this.#current;
    before?.stop.abort();
    const stop = new AbortController();
    const move = { to, of, stop, ended: Promise.resolve() };
    this.#current = move;
    move.ended = (async () => {
      await before?.ended;
      try {
        await this.#move(to, of, stop.signal);
      } catch (error) {
        this.#options.log.error({ err: error }, 'traffic.move-broken');
      }
      if (this.#current === move) this.#current = undefined;
    })();
  }

  async #move(to: 'here' | 'away', of: string, signal: AbortSignal): Promise<void> {
    const startedMs = performance.now();
    const { log, records, failedAfterMs = MOVE_FAILED_AFTER_MS, waitsMs = MOVE_WAITS_MS } = this.#options;
    const isChecklist = records.settings().way === 'checklist';
    let isFailed = false;
    for (let tries = 0; !signal.aborted; tries++) {
      try {
        const text = to === 'here' ? await this.#bring(signal) : await this.#letGo();
        log.info({ to, tries, ms: Math.round(performance.now() - startedMs) }, 'traffic.moved');
        return this.#note(to, 'done', text, of);
      } catch (error) {
        if (signal.aborted) return;
        const text = error instanceof Error ? error.message : String(error);
        if (tries === 0) {
          this.#note(to, 'running', text, of);
          if (isChecklist)
            this.#options.tellPeople(`Traffic must be brought to ${this.#options.applianceName} by hand: ${text}`, '');
        }
        if (!isFailed && !isChecklist && performance.now() - startedMs >= failedAfterMs) {
          isFailed = true;
          log.error({ to, reason: text }, 'traffic.move-failed');
          this.#note(to, 'failed', text, of);
          const place = to === 'here' ? 'to' : 'away from';
          this.#options.tellPeople(
            `The traffic could not be brought ${place} ${this.#options.applianceName}: ${text}`,
            'It is tried on. Until it succeeds, do by hand what is set up under Networking > Traffic.',
          );
        }
        await pause(waitsMs[Math.min(tries, waitsMs.length - 1)] ?? 0, signal);
      }
    }
  }

  /** One try; gives what to say of it. Throws with the reason. */
  async #bring(signal: AbortSignal): Promise<string> {
    const { records, helper, holder, addresses, watch, now, sharedName } = this.#options;
    const { way, dns, natHook } = records.settings();
    await holder.turn();
    const wanted = addresses.shared();
    const missing = wanted.filter(({ address }) => !holder.held.some((row) => row.address === address));
    if (missing.length > 0)
      throw new AppError(
        'conflict',
        'TRAFFIC_NOT_HELD',
        `${missing.map(({ address }) => address).join(', ')} could not be taken; Networking > IP configuration says why.`,
      );
    const held = wanted.length === 0 ? [] : [`${wanted.map(({ address }) => address).join(', ')} is held here.`];
    if (way === 'dns' && dns !== null) {
      const { changed, before } = await pointName(dns, { key: records.tsigKey(), now, signal });
      const from = before.length === 0 ? 'nothing' : before.join(', ');
      held.push(
        changed ? `${dns.name} points at ${dns.address}; before: ${from}.` : `${dns.name} points at ${dns.address} already.`,
      );
    }
    if (way === 'nat' && natHook !== null) {
      const { output } = await helper.ask('hook', { name: natHook, direction: 'here' }, hookOutput, HOOK_WAIT_MS);
      held.push(`The hook ${natHook} has run.${output === '' ? '' : ` It says: ${output}`}`);
    }
    if (way === 'checklist') {
      const resolution = await watch.look();
      const others = resolution.filter(({ isHere }) => !isHere);
      if (resolution.length === 0) throw new AppError('conflict', 'TRAFFIC_ELSEWHERE', `${sharedName} resolves to no address.`);
      if (others.length > 0)
        throw new AppError(
          'conflict',
          'TRAFFIC_ELSEWHERE',
          `${sharedName} leads to ${others.map(({ address, answersAs }) => `${address} (${answersAs ?? 'nobody answers'})`).join(', ')}.`,
        );
      held.push(`${sharedName} leads here.`);
    }
    return held.join(' ');
  }

  /** The other side brings the traffic to itself; here only what it cannot undo. */
  async #letGo(): Promise<string> {
    const { records, helper } = this.#options;
    const { way, natHook } = records.settings();
    if (way !== 'nat' || natHook === null) return 'This appliance does not serve any more.';
    const { output } = await helper.ask('hook', { name: natHook, direction: 'away' }, hookOutput, HOOK_WAIT_MS);
    return `The hook ${natHook} has run.${output === '' ? '' : ` It says: ${output}`}`;
  }

  #note(to: LastMove['to'], outcome: LastMove['outcome'], text: string, of: string): void {
    const move = { atMs: this.#options.now(), to, outcome, text: text.slice(0, TEXT_MAX_CHARACTERS), of };
    try {
      this.#options.records.note(SYSTEM, move);
    } catch (error) {
      // A full disk must not keep the traffic away.
      this.#options.log.warn({ err: error }, 'traffic.move-not-noted');
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end, { once: true });
  });
}
