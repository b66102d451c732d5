import { AppError } from '@bascule/errors/app-error.ts';
import type { CannotChange } from '@bascule/protocol/api/network.ts';
import type { HelperClient } from './helper-client.ts';

/** Why this machine's network cannot be changed from here; null: it can. `verbs`: those of the helper that are needed. */
export async function cannotChange(helper: HelperClient, verbs: readonly string[]): Promise<CannotChange | null> {
  try {
    const { verbs: known, missing } = await helper.describe();
    if (!verbs.every((verb) => known.includes(verb))) return 'old-helper';
    return typeof missing?.netAdmin === 'string' ? 'not-permitted' : null;
  } catch (error) {
    return error instanceof AppError && error.code === 'HELPER_ABSENT' ? 'not-root' : 'helper-silent';
  }
}
