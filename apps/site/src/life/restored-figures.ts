import type { FromSite } from '@bascule/protocol/base-site.ts';
import type { Site } from '../compose.ts';

/** Clients that are looked at at once; between two of them everything else has its turn. */
const CLIENTS_AT_ONCE = 500;
/** Names and secrets that the message holds. */
const LISTED_MAX = 200;
const WORDS_MAX_CHARACTERS = 400;

/** Who is back after a restore, and what cannot be read. */
export async function restoredFigures({
  parts: { jump, vault },
}: Site): Promise<Omit<Extract<FromSite, { kind: 'restored-figures' }>, 'kind' | 'nonce' | 'error'>> {
  const figures = { total: 0, back: 0, missing: [] as string[] };
  for (let after = ''; ;) {
    const rows = jump.rowsAfter(after, CLIENTS_AT_ONCE);
    for (const { id, name, state } of rows) {
      if (state !== 'approved' && state !== 'to-be-confirmed') continue;
      figures.total += 1;
      if (jump.isOnline(id)) figures.back += 1;
      else if (figures.missing.length < LISTED_MAX) figures.missing.push(name);
    }
    const last = rows.at(-1);
    if (last === undefined) break;
    after = last.id;
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { secrets } = await vault.unreadableSecrets();
  return {
    ...figures,
    unreadableSecrets: secrets.slice(0, LISTED_MAX).map(({ words }) => words.slice(0, WORDS_MAX_CHARACTERS)),
  };
}
