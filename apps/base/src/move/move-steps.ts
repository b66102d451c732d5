/** What each step of a move does on the new box. Each look is harmless when done again: after a crash, the step is simply looked at once more. */
import type { FailoverState } from '@bascule/protocol/api/failover.ts';
import type { MoveStep, OldBoxAnswer, OldBoxQuestion } from '@bascule/protocol/api/move.ts';
import type { PairOrder } from '@bascule/protocol/base-site.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { oldSaidNo } from './move-errors.ts';
import type { MoveValue } from './move-store.ts';

/** Clients that have not come back after this are no reason to wait longer: they are named on the page of Jump Clients. */
export const CLIENTS_WAIT_MS = 3 * 60_000;

/** A step that is through, or how far it is. */
export type Looked = 'done' | { doing: string; done?: number; total?: number };

export interface StepPorts {
  applianceName: string;
  /** Where people find the site afterwards. */
  url: string;
  now(): number;
  key(): string;
  askOld<K extends OldBoxQuestion['kind']>(question: Extract<OldBoxQuestion, { kind: K }>): Promise<OldBoxAnswer>;
  oldEndpoint(): { host: string; port: number };
  /** An order to the own site; the same step asks for the same order. Throws when the site says no. */
  order(order: PairOrder, step: MoveStep): Promise<{ outcome: 'done' | 'running'; result: unknown }>;
  applySettings(text: string, parts: string[]): Promise<void>;
  clientsHere(): Promise<number>;
  /** Clients that were seen at the old box: written down. */
  noteClientsBefore(before: number): void;
  showClientsBack(back: number): void;
}

type Work = (ports: StepPorts, move: MoveValue<'move'>) => Promise<Looked>;

export const STEP_WORK: Record<Exclude<MoveStep, 'ready'>, Work> = {
  async keys(ports, { state }) {
    await ports.askOld({ kind: 'begin', by: state.startedBy, appliance: ports.applianceName, key: ports.key() });
    await ports.order({ kind: 'take-key', key: ports.key() }, 'keys');
    return 'done';
  },

  async establish(ports, { own, oldMove }) {
    const { self, peer } = await siteState(ports);
    if (self.role === 'backup' && peer !== null) return 'done';
    const answer = await ports.askOld({ kind: 'establish', move: oldMove, old: ports.oldEndpoint(), own });
    return answer.kind === 'running' || self.role !== 'backup'
      ? { doing: 'The old box hands over its keys, and this one its place.' }
      : 'done';
  },

  async copy(ports) {
    const { copy } = await siteState(ports);
    if (copy === null) return { doing: 'The copy begins.' };
    if (copy.stopped !== null) return { doing: `The copy is stopped: ${copy.stopped.text}` };
    const left = copy.databaseBytesLeft + copy.fileBytesLeft;
    if (copy.state === 'following' && left === 0 && copy.lagChanges === 0) return 'done';
    return { doing: `The database and the files are copied: ${megabytes(left)} MB are left, and ${copy.lagChanges} changes.` };
  },

  async settings(ports, { parts, state }) {
    await noteClients(ports, state.clients?.before);
    if (parts.length === 0) return 'done';
    const answer = await ports.askOld({ kind: 'settings' });
    if (answer.kind === 'settings') await ports.applySettings(answer.settings, parts);
    return 'done';
  },

  async switch(ports, { state }) {
    const { self } = await siteState(ports);
    if (self.role === 'primary') return 'done';
    await noteClients(ports, state.clients?.before);
    await ports.order({ kind: 'swap', primary: ports.applianceName }, 'switch');
    return { doing: 'This box takes over: what is left is pulled, then it serves.' };
  },

  async clients(ports, { state, stepAtMs }) {
    const before = state.clients?.before ?? 0;
    const back = await ports.clientsHere();
    ports.showClientsBack(back);
    if (back >= before || ports.now() - stepAtMs > CLIENTS_WAIT_MS) return 'done';
    return { doing: `Clients come here: ${back} of ${before}.`, done: back, total: before };
  },

  async recordings(ports) {
    const { result } = await ports.order({ kind: 'recordings-left' }, 'recordings');
    const { left, of } = result as { left: number; of: number };
    if (left === 0) return 'done';
    return { doing: `Recordings are copied in the background: ${left} of ${of} are left.`, done: of - left, total: of };
  },

  async finish(ports, { own, oldMove }) {
    const moved = { appliance: ports.applianceName, endpoint: own, url: ports.url };
    try {
      const answer = await ports.askOld({ kind: 'end', move: oldMove, moved });
      if (answer.kind === 'running') return { doing: 'The old box becomes a signpost.' };
    } catch (error) {
      // It has ended already, and its answer was lost: then the code is over, too.
      if (!(error instanceof AppError && error.code === 'MOVE_CODE_REFUSED')) throw error;
    }
    await ports.order({ kind: 'end-move', moved: null }, 'finish');
    return 'done';
  },
};

/** The most clients that were seen at the old box: just after a restart of it they are few. */
async function noteClients(ports: StepPorts, before: number | undefined): Promise<void> {
  const old = await ports.askOld({ kind: 'look' });
  const now = old.kind === 'look' ? (old.clientsOnline ?? 0) : 0;
  if (before === undefined || now > before) ports.noteClientsBefore(now);
}

async function siteState(ports: StepPorts): Promise<FailoverState> {
  const { result } = await ports.order({ kind: 'state' }, 'copy');
  if (result === undefined) throw oldSaidNo('SITE_UNAVAILABLE', 'the site of this box does not answer');
  return result as FailoverState;
}

function megabytes(bytes: number): number {
  return Math.ceil(bytes / 1_000_000);
}
