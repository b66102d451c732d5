import type { FleetSettings, Rollout } from '@bascule/protocol/api/fleet.ts';
import type { FromSite } from '@bascule/protocol/base-site.ts';
import type { FleetClients } from './fleet-clients.ts';
import type { RolloutRow } from './fleet-store.ts';
import type { QueueCore } from './queue-core.ts';
import type { Halt } from './queue-types.ts';
import { CHART_POINTS_MAX, type RolloutFigures } from './rollout-figures.ts';

export type FleetAnswer = Omit<Extract<FromSite, { kind: 'fleet' }>, 'kind' | 'nonce' | 'error'>;

/** Clients that were not seen for so long do not count for the planner. */
const SEEN_LATELY_MS = 30 * 24 * 3_600_000;

/** After a start of the site, clients that were here lately are waited for so long. */
const COMING_BACK_MS = 10 * 60_000;
const HERE_LATELY_MS = 24 * 3_600_000;

export interface PictureParts {
  core: QueueCore;
  clients: FleetClients;
  figures: RolloutFigures;
  settings: FleetSettings;
  row: RolloutRow;
  isCommitted: boolean;
  isOn: boolean;
  bytesPerClient: number;
  /** When this program began to work: clients find their way back only then. */
  programStartedAtMs: number;
  nowMs: number;
}

export function rolloutState({ core, isCommitted, isOn }: Pick<PictureParts, 'core' | 'isCommitted' | 'isOn'>): Rollout['state'] {
  if (!isCommitted) return 'waiting-for-commit';
  if (!isOn) return 'off';
  if (core.halt !== null) return 'halted';
  if (core.isPaused) return 'paused';
  return core.endedAtMs === null ? 'running' : 'done';
}

/** How far the rollout is; costs what there are rings and points, not clients. */
export function rolloutPicture(parts: PictureParts): Rollout {
  const { core, figures, settings, row, nowMs } = parts;
  const { halt } = core;
  const counts = core.entries.total();
  return {
    state: rolloutState(parts),
    version: row.version,
    revision: row.revision,
    halt: halt && haltPicture(halt, settings),
    startedAtMs: core.startedAtMs,
    endedAtMs: core.endedAtMs,
    counts,
    rings: settings.rings.map(({ name }, index) => {
      const ring = core.rings[index]!;
      const state = ring.isHalted ? 'halted' : ring.openedAtMs === null ? 'waiting' : ring.doneAtMs === null ? 'open' : 'done';
      return { name, state, opensAtMs: ring.openedAtMs ?? core.opensAtMs(index), counts: { ...core.entries.counts(index) } };
    }),
    bytesPerSecond: figures.bytesPerSecond,
    upgradesPerMinute: figures.upgradesPerMinute,
    bytesSent: figures.bytesSent,
    secondsLeft: secondsLeft(parts, counts),
    bytesPerClient: parts.bytesPerClient,
    chart: figures.chart.slice(-CHART_POINTS_MAX),
    nowMs,
  };
}

function haltPicture(halt: Halt, { rings }: FleetSettings): Rollout['halt'] {
  const { code, ring, bad, begun, atMs } = halt;
  const percent = begun === 0 ? 0 : Math.round((100 * bad) / begun);
  return { code, ring: rings[ring]?.name ?? '', text: haltText(halt), failed: bad, begun, percent, atMs };
}

/** Why it halted, in one sentence. */
export function haltText({ code, bad, begun }: Halt): string {
  if (code === 'no-signed-programs') return 'no trusted update metadata names the client programs of this version';
  if (code === 'by-hand') return 'an administrator halted it';
  return `${bad} of ${begun} that were begun with ${code === 'silence' ? 'are silent or failed' : 'failed, were rolled back or are silent'}`;
}

/** By the pace of the last minute; null while there is none. */
function secondsLeft({ core, figures }: PictureParts, counts: Rollout['counts']): number | null {
  const left = counts.pending - counts.absent + counts.waitingForSession + counts.downloading + counts.restarting;
  if (!core.isRunning || left === 0 || figures.upgradesPerMinute === 0)
    return core.isRunning && core.endedAtMs !== null ? 0 : null;
  return Math.round((left * 60) / figures.upgradesPerMinute);
}

/** B82-B89: counts of clients seen in the last 30 days, and whether all that can be upgraded now are. Looks at every client: for questions that are rare. */
export function settledAnswer({ core, clients, row, isCommitted, isOn, programStartedAtMs, nowMs }: PictureParts): FleetAnswer {
  const answer = { total: 0, current: 0, pending: 0, absent: 0, failed: 0 };
  let unsupported = 0;
  let comingBack = 0;
  const isEarly = nowMs - programStartedAtMs < COMING_BACK_MS;
  for (const member of clients.all()) {
    const entry = core.entries.get(member.id);
    if (entry?.isEligible !== true) continue;
    if (!entry.isOnline && nowMs - (member.lastSeenAtMs ?? 0) > SEEN_LATELY_MS) continue;
    answer.total += 1;
    if (!entry.isOnline) answer.absent += 1;
    if (entry.state === 'current' || entry.state === 'ahead') answer.current += 1;
    else if (entry.state === 'unsupported') unsupported += 1;
    else if (entry.state === 'failed' || entry.state === 'rolled-back') answer.failed += 1;
    else answer.pending += 1;
    if (isEarly && entry.state === 'pending' && !entry.isOnline && nowMs - (member.lastSeenAtMs ?? 0) < HERE_LATELY_MS)
      comingBack += 1;
  }
  const { pending, absent, failed } = answer;
  const pendingHere = countPendingHere(core);
  const isSettled = pendingHere === 0 && failed === 0 && comingBack === 0;
  const late = pending - Math.min(pending, pendingHere);
  const parts = [
    `${answer.current} of ${answer.total} clients seen in the last 30 days run ${row.version}`,
    ...(pendingHere > 0 ? [`${pendingHere} connected ones are still to be upgraded`] : []),
    ...(failed > 0 ? [`${failed} failed: look at their reasons first`] : []),
    ...(comingBack > 0 ? [`${comingBack} were here lately and may be on their way back`] : []),
    ...(late > 0 ? [`${late} are away and catch up in order when they come back`] : []),
    ...(unsupported > 0 ? [`${unsupported} cannot upgrade themselves`] : []),
    ...(!isCommitted && pendingHere > 0 ? ['the queue opens when this version is committed'] : []),
    ...(!isOn && pendingHere > 0 ? ['upgrades are switched off'] : []),
  ];
  return { ...answer, absent, isSettled, text: `${parts.join('; ')}.`.slice(0, 500) };
}

function countPendingHere(core: QueueCore): number {
  const counts = core.entries.total();
  return counts.pending - counts.absent + counts.waitingForSession + counts.downloading + counts.restarting;
}
