import type { Installation, Offer, PathStep, UpdateSettings } from '@bascule/protocol/api/updates.ts';
import { mustWait, type FleetCondition } from './fleet-condition.ts';

/** Between two looks whether something may be installed unattended. */
export const UNATTENDED_LOOK_MS = 5 * 60_000;
const HOUR_MS = 60 * 60_000;

export interface UnattendedFacts {
  settings: Pick<UpdateSettings, 'unattended' | 'emergencyLane'>;
  /** Local time of the appliance. */
  now: Date;
  offers: Offer[];
  path: PathStep[];
  /** Newest first: what failed once is left to a person. */
  history: Pick<Installation, 'kind' | 'fromVersion' | 'toVersion' | 'outcome' | 'operation'>[];
  /** B86: the next site package waits until clients are through with this one. */
  fleet: FleetCondition;
}

/** What is to be done by itself now: install `target`, tell that its licence agreement waits for a person, or nothing. */
export type UnattendedChoice = { do: 'install' | 'tell-eula'; target: string; lane: 'window' | 'emergency' } | undefined;

/** Chooses what may be installed with nobody there: an emergency package at once when the lane is open, else in the window the next step of the path. */
export function chooseUnattended(facts: UnattendedFacts): UnattendedChoice {
  const { settings, offers, path } = facts;
  const emergency = offers.find(({ state, manifest }) => state === 'installable' && manifest.emergency);
  if (settings.emergencyLane && emergency !== undefined && !hasFailed(emergency, facts)) return choice(emergency, 'emergency');
  if (!settings.unattended.isOn || !isInWindow(settings.unattended, facts.now)) return undefined;
  const step = path.find(({ action }) => action === 'install');
  const offer = offers.find(({ target, state }) => target === step?.target && state === 'installable');
  if (offer === undefined || hasFailed(offer, facts) || waitsForClients(offer, facts)) return undefined;
  return choice(offer, 'window');
}

/** Whether `now` (local time) is in the window, which may reach beyond midnight. */
export function isInWindow({ days, fromHour, hours }: UpdateSettings['unattended'], now: Date): boolean {
  return [0, -1].some((dayOffset) => {
    const from = new Date(now.getFullYear(), now.getMonth(), now.getDate() + dayOffset, fromHour);
    return days.includes(from.getDay()) && now >= from && now.getTime() < from.getTime() + hours * HOUR_MS;
  });
}

function choice(offer: Offer, lane: 'window' | 'emergency'): UnattendedChoice {
  return {
    do: offer.eulaAccepted === null && offer.eulaSha256 !== EMPTY_SHA256 ? 'tell-eula' : 'install',
    target: offer.target,
    lane,
  };
}

/** SHA-256 of no text: there is nothing to accept. */
const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** Also what a person went back from. */
function hasFailed({ manifest }: Offer, { history }: UnattendedFacts): boolean {
  return history.some(({ kind, fromVersion, toVersion, outcome, operation }) => {
    if (kind !== manifest.kind) return false;
    if (operation === 'roll-back') return fromVersion === manifest.version;
    return (
      operation === 'install' &&
      toVersion === manifest.version &&
      (outcome === 'rolled-back' || outcome === 'failed' || outcome === 'cancelled')
    );
  });
}

function waitsForClients({ manifest }: Offer, { fleet }: UnattendedFacts): boolean {
  return manifest.kind === 'site' && mustWait(fleet);
}
