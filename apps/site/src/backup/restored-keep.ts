/** A state that was unpacked, or lay in the archive, is made a whole site of this appliance: keys, a history of its own, and what only this appliance has. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { sitePaths } from '@bascule/core/home.ts';
import type { Log } from '@bascule/log/log.ts';
import type { EndedRights, Kept, RestoreOrder } from '@bascule/protocol/restore-program.ts';
import { beginHistory, epochOf, pairOf } from '../failover/failover.ts';
import { SiteIdentity } from '../jump/jump.ts';
import { openSiteStore } from '../site-store.ts';
import { auditOf, endedIn, endRights, rightsEnded, shownOf } from './restored-ended.ts';
import { readFacts } from './restored-facts.ts';
import { chooseKeys, identityIn, takeKeysHere, type KeyChoice } from './restored-keys.ts';
import { addMissing } from './restored-links.ts';
import { manifestIn } from './restored-unpack.ts';

const CONTENTS = ['recordings', 'files'] as const;
type Content = (typeof CONTENTS)[number];
const NOBODY = { count: 0, names: [] };

export type KeepOrder = Extract<RestoreOrder, { kind: 'keep' }>;

/** Does the order `keep`. What is in `siteDir` stays as it is, and the site there may run. */
export async function keep(order: KeepOrder, log: Log, onProgress: (done: number) => void): Promise<Kept> {
  const { folder, siteDir, isBackup, appliance, by, source, known } = order;
  const here = sitePaths(siteDir);
  const paths = sitePaths(folder);
  const facts = readFacts(paths.database);
  const manifest = await manifestIn(folder);
  const choice: KeyChoice = isBackup
    ? chooseKeys({
        here: identityIn(here.keys),
        backup: identityIn(paths.keys),
        known: [...facts.identities, ...(manifest?.identitySha256 == null ? [] : [manifest.identitySha256])],
      })
    : { from: 'backup', isSameSite: true };
  if (isBackup) takeKeysHere(here.keys, paths.keys, choice);
  await SiteIdentity.open({ keysDir: paths.keys });
  const contents = CONTENTS.filter((name) => existsSync(join(folder, name)));
  const added = { recordings: 0, files: 0 };
  // Of another site nothing is mixed in: all of it goes to the archive.
  if (choice.isSameSite)
    for (const name of contents) added[name] = await addMissing(join(siteDir, name), join(folder, name), onProgress);
  const told: { ended?: EndedRights } = {};
  const { history, epoch } = await beginHistory({
    folder,
    appliance,
    by,
    source,
    known: [...placesHere(siteDir), ...(known === null ? [] : [known]), ...(manifest === undefined ? [] : [manifest])],
    openStore: () => openSiteStore({ path: paths.database, appliance, log, follower: true }),
    // Who had logged out since would be logged in again.
    more: (tx) => void tx.run('DELETE FROM login_sessions'),
    after: (store, context) => {
      // An undo puts back what was there.
      if (!isBackup) return;
      const found = endedIn(store, siteDir, choice.isSameSite);
      told.ended = shownOf(found);
      store.transact(context, rightsEnded(auditOf(told.ended)), (tx) => endRights(tx, found));
    },
    log,
  });
  const lostClients = choice.from === 'new' ? facts.clientNames : NOBODY;
  return { history, epoch, lostClients, keysFrom: choice.from, contents, ...added, ...told };
}

/** What came to `siteDir` since `keep`; nobody writes there any more. */
export async function keepLate(
  folder: string,
  siteDir: string,
  contents: readonly Content[],
  onProgress: (done: number) => void,
): Promise<void> {
  for (const name of contents) await addMissing(join(siteDir, name), join(folder, name), onProgress);
}

function placesHere(siteDir: string): { history: string; epoch: number }[] {
  const pair = pairOf(siteDir);
  const history = pair?.self.history ?? '';
  const epochs = [pair?.self.epoch, epochOf(sitePaths(siteDir).database)];
  return [
    ...epochs.filter((epoch) => epoch !== undefined).map((epoch) => ({ history, epoch })),
    ...(pair?.ancestors ?? []).map((ancestor) => ({ history: ancestor, epoch: 0 })),
  ];
}
