/** Jumps that have to wait for an upgrade (B109, B110) or for the check-in of a passive client (B107). Pure. */
import type { JumpItem } from '@bascule/protocol/api/jump.ts';
import { ApiError } from '../../shared/api-client.ts';
import { isUpgrading } from './items-model.ts';

/** An upgrade is waited for no longer than this. */
const UPGRADE_LIMIT_MS = 60 * 60_000;
/** A check-in is waited for until it is due, and so much longer. */
const CHECK_IN_GRACE_MS = 15 * 60_000;

export type JumpGoal = Pick<JumpItem, 'id' | 'name' | 'hostName' | 'runsAs'>;

export interface WaitingJump {
  item: JumpGoal;
  /** Its upgrade, or its check-in. */
  reason: 'upgrade' | 'check-in';
  place: number | null;
  untilMs: number;
}

/** What a refused jump is to wait for; undefined when waiting does not help. */
export function waitFor(item: JumpGoal, error: unknown, nowMs: number): WaitingJump | undefined {
  if (!(error instanceof ApiError)) return undefined;
  if (error.code === 'CLIENT_UPGRADE_PENDING') {
    const place = Number(error.params['place']);
    return { item, reason: 'upgrade', place: place > 0 ? place : null, untilMs: nowMs + UPGRADE_LIMIT_MS };
  }
  if (error.code === 'ACCESS_SESSION_ITEM_CHECKS_IN')
    return { item, reason: 'check-in', place: null, untilMs: Number(error.params['nextCheckInMs']) + CHECK_IN_GRACE_MS };
  return undefined;
}

/** Whether what was waited for has come. */
export function isReady({ reason }: WaitingJump, item: JumpItem): boolean {
  return item.online && (reason === 'check-in' || !isUpgrading(item));
}
