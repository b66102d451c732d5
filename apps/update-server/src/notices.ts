/** Mail to the contact of an appliance when an upgrade is ready for it (B42), once per release. */
import type { Log } from '@bascule/log/log.ts';
import type { Mailer } from '@bascule/mail/mailer.ts';
import { SYSTEM, type Store } from '@bascule/store/store.ts';
import { installedState, isPackage, offersFor, planFor, type OfferRules, type PackageRelease } from './offers.ts';
import type { Repository } from './repository.ts';
import * as events from './server-events.ts';
import * as rows from './server-store.ts';

/** How often the schedule is looked at: a release that is offered from today on needs no other push. */
export const NOTICE_EVERY_MS = 60_000;

export interface NoticeParts {
  store: Store;
  repository: Repository;
  mailer: Mailer;
  rules: Omit<OfferRules, 'schedule'>;
  url(): string;
  now: () => number;
  log: Log;
}

/** Queues the mails that are due. An appliance without a contact, and a server without mail, are passed over and get theirs when they have it. */
export function writeNotices(parts: NoticeParts): void {
  const { store, repository, mailer, rules, url, now } = parts;
  if (!mailer.settings().settings.isOn) return;
  const schedule = rows.listSchedule(store);
  const releases = repository.releases();
  for (const appliance of rows.listAppliances(store)) {
    if (appliance.contact === '') continue;
    const known = rows.noticedTargets(store, appliance.id);
    const ready = readyReleases(releases, appliance, { ...rules, schedule }, rows.downloadedBy(store, appliance.id), now());
    const fresh = ready.filter(({ target }) => !known.has(target));
    if (fresh.length === 0) continue;
    const event = events.noticed({
      appliance: appliance.id,
      name: appliance.name,
      targets: fresh.map(({ target }) => target),
      count: fresh.length,
    });
    // First queued, then noted: after a power cut between the two, one mail too many is better than one too few.
    mailer.tell(
      {
        kind: 'upgrade-ready',
        appliance: appliance.name,
        releases: fresh.map(({ manifest }) => ({
          package: manifest.kind,
          version: manifest.version,
          isEmergency: manifest.emergency,
        })),
        page: `${url()}/`,
      },
      { recipients: [appliance.contact], language: appliance.language },
    );
    store.transact(SYSTEM, event, (tx) => {
      for (const { target } of fresh) rows.addNotice(tx, appliance.id, target, now());
    });
  }
}

/** What the appliance could install now, in order, as far as is known what it has; all that it may have otherwise, oldest first. */
function readyReleases(
  releases: ReturnType<Repository['releases']>,
  appliance: rows.Appliance,
  rules: OfferRules,
  downloaded: ReadonlyMap<string, number>,
  nowMs: number,
): PackageRelease[] {
  const { maintainedUntilMs } = appliance;
  const offers = offersFor(releases, appliance, rules, downloaded).filter(
    ({ release, fromMs }) =>
      fromMs <= nowMs && (maintainedUntilMs === null || release.manifest.releasedAtMs <= maintainedUntilMs),
  );
  const installed = installedState.safeParse(appliance.installed === null ? undefined : JSON.parse(appliance.installed));
  if (!installed.success)
    return offers.map(({ release }) => release).toSorted((one, other) => one.manifest.releasedAtMs - other.manifest.releasedAtMs);
  const plan = planFor(offers, releases, appliance, installed.data, nowMs);
  const targets = plan.path.flatMap(({ action, target }) => (action === 'install' && target !== null ? [target] : []));
  const licences = plan.offers.filter(({ release, state }) => release.manifest.kind === 'licence' && state === 'installable');
  const all = [...new Set([...targets, ...licences.map(({ release }) => release.target)])];
  return all.flatMap((target) => releases.filter(isPackage).filter((release) => release.target === target));
}
