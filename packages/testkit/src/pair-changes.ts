/** A change of the site that is easy to make and to find again: a Jump Group. */
import { z } from 'zod';
import { jumpGroups } from '@bascule/protocol/api/jump.ts';
import type { PairSide } from './pair-scene.ts';

/** Resolves when the change was answered for. */
export async function createdName(side: PairSide, name: string): Promise<void> {
  await side.call('POST', 'jump/groups', z.unknown(), { name });
}

export async function groupNames(side: PairSide): Promise<Set<string>> {
  return new Set((await side.call('GET', 'jump/groups', jumpGroups)).groups.map(({ name }) => name));
}
