/** The lines of the preflight, each from facts alone: green, amber (a person may overrule it by name) or red, with what to do. */
import type { ClockState, Offer, PreflightLine } from '@bascule/protocol/api/updates.ts';
import type { Losses } from '@bascule/protocol/losses.ts';
import type { FleetCondition } from './fleet-condition.ts';
import { CLOCK_SUSPECT_MS, clockAdvice, inWords } from './updates-errors.ts';

/** Clients that are named. */
export const LOST_NAMED_MAX = 20;
const DAY_MS = 24 * 60 * 60_000;
const MEGABYTE = 1024 * 1024;
/** A certificate or metadata that ends sooner is amber. */
export const ENDS_SOON_MS = 14 * DAY_MS;
/** From this size of the site's database on, migrations that nobody tried on a copy are amber. */
export const TRIAL_WANTED_FROM_BYTES = 1024 * MEGABYTE;
/** A migration that held the site for longer than this in a trial is amber. */
export const LONG_MIGRATION_MS = 10_000;
/** Left free when everything of an installation is on the disk. */
export const DISK_RESERVE_BYTES = 256 * MEGABYTE;
/** Room for the new programs beside the old: amber below this many times what the old ones take, red below half of what they take. */
export const MEMORY_FACTOR = 1.25;

type Params = PreflightLine['params'];

function line(
  code: string,
  outcome: PreflightLine['outcome'],
  text: string,
  more: { advice?: string; params?: Params; details?: string[] } = {},
): PreflightLine {
  const { advice = '', params = {}, details = [] } = more;
  return { code, outcome, text, advice, params, details: details.slice(0, 200), overruledBy: null };
}

const megabytes = (bytes: number): number => Math.ceil(bytes / MEGABYTE);

export interface DiskNeed {
  freeBytes: number;
  /** What is still to be fetched. */
  downloadBytes: number;
  unpackedBytes: number;
  /** Of both databases. */
  snapshotBytes: number;
  /** What a migration may write beside the database, in the worst case as much again. */
  migrationBytes: number;
}

export function diskLine(need: DiskNeed): PreflightLine {
  const { freeBytes, downloadBytes, unpackedBytes, snapshotBytes, migrationBytes } = need;
  const neededBytes = downloadBytes + unpackedBytes + snapshotBytes + migrationBytes + DISK_RESERVE_BYTES;
  const params = { freeMegabytes: megabytes(freeBytes), neededMegabytes: megabytes(neededBytes) };
  const details = [
    `Download: ${megabytes(downloadBytes)} MB`,
    `Unpacked: ${megabytes(unpackedBytes)} MB`,
    `Snapshots of the databases: ${megabytes(snapshotBytes)} MB`,
    `Migration: ${megabytes(migrationBytes)} MB`,
    `Reserve: ${megabytes(DISK_RESERVE_BYTES)} MB`,
  ];
  const text = `${params.freeMegabytes} MB are free; ${params.neededMegabytes} MB are needed in the worst case.`;
  if (freeBytes >= neededBytes) return line('disk-space', 'green', text, { params, details });
  return line('disk-space', 'red', text, {
    params,
    details,
    advice: `Free ${params.neededMegabytes - params.freeMegabytes} MB: remove uploads and old recordings, or make the disk larger.`,
  });
}

/** Expiry is judged by the effective time, so a wrong clock stops nothing; it is what makes the next check, download key and login code fail. */
export function clockLine(clock: ClockState): PreflightLine {
  const params = { state: clock.state, offsetSeconds: Math.round((clock.offsetMs ?? 0) / 1000) };
  const isWrong = clock.state === 'behind' || (clock.state === 'off' && Math.abs(clock.offsetMs ?? 0) >= CLOCK_SUSPECT_MS);
  if (isWrong) return line('clock', 'amber', 'The clock is wrong.', { params, advice: clockAdvice(clock) ?? '' });
  const confirmed = clock.state === 'synchronised' || clock.state === 'off';
  return line('clock', 'green', confirmed ? 'The clock is right.' : 'The clock is plausible; no time server confirms it.', {
    params,
  });
}

export interface IntegrityFacts {
  boxProblems: string[];
  /** Undefined when the site could not be asked. */
  siteProblems: string[] | undefined;
  siteError: string | undefined;
}

export function integrityLine({ boxProblems, siteProblems, siteError }: IntegrityFacts): PreflightLine {
  const problems = [...boxProblems.map((text) => `box: ${text}`), ...(siteProblems ?? []).map((text) => `site: ${text}`)];
  if (problems.length > 0)
    return line('database-integrity', 'red', 'A database is damaged.', {
      params: { problems: problems.length },
      details: problems,
      advice: 'Do not install. Restore the last good snapshot or backup first; the damaged file is the evidence: keep a copy.',
    });
  if (siteProblems === undefined)
    return line(
      'database-integrity',
      'amber',
      `The site's database could not be looked at: ${(siteError ?? 'the site does not answer').replace(/\.$/, '')}.`,
      {
        advice:
          'Wait until the site is ready and run the preflight again. If this package is what mends the site, overrule this line.',
      },
    );
  return line('database-integrity', 'green', 'Both databases are whole.');
}

export function requirementsLine(offer: Offer): PreflightLine {
  const { kind, version } = offer.manifest;
  const params = { kind, version };
  if (offer.state === 'installable')
    return line('requirements', 'green', 'Everything that the package requires is installed.', { params });
  if (offer.state === 'installed' || offer.state === 'older')
    return line('requirements', 'red', `${kind} ${version} is installed already, or is older than what is installed.`, {
      params,
      advice: 'Choose a newer package. To go back to the version before, use Roll back.',
    });
  const details = offer.blockedBy.map(blockedText);
  return line('requirements', 'red', `${kind} ${version} cannot be installed yet.`, {
    params,
    details,
    advice: details.join(' '),
  });
}

/** `Install base 0.3.0 first.` */
export function blockedText({ reason, kind, version, range, atMs }: Offer['blockedBy'][number]): string {
  const day = atMs === null ? undefined : new Date(atMs).toISOString().slice(0, 10);
  if (reason === 'not-maintained') return `The maintenance of this appliance ended on ${day}: renew it to get this release.`;
  if (reason === 'not-yet-offered')
    return day === undefined
      ? 'The update server does not offer it to this appliance yet.'
      : `It is offered to this appliance from ${day} on.`;
  return version === null ? `It needs ${kind} ${range}, which no known release fits.` : `Install ${kind} ${version} first.`;
}

export function snapshotLine(newestMs: number | undefined, nowMs: number): PreflightLine {
  const taken = 'This installation takes one of both databases before it changes anything.';
  if (newestMs === undefined)
    return line('snapshot-age', 'green', `There is no snapshot yet. ${taken}`, { params: { hours: -1 } });
  const ageMs = Math.max(0, nowMs - newestMs);
  const params = { hours: Math.floor(ageMs / 3_600_000) };
  return line('snapshot-age', 'green', `The last snapshot is ${inWords(ageMs)} old. ${taken}`, { params });
}

/** Amber lines that warn and stop nothing: an unattended installation, and one from the command line, go on. */
export const ADVISORY_LINES: ReadonlySet<string> = new Set(['backup-age', 'certificate-export']);

/** B40: a backup that was restored on trial, and is newer than the last change. */
export function backupLine(last: { atMs: number; changesSince: number } | null, nowMs: number): PreflightLine {
  const advice = 'Make a backup first: /login > Management > Software > Backup.';
  if (last === null)
    return line('backup-age', 'amber', 'There is no backup that is known to be restorable.', {
      advice,
      params: { hours: -1, changes: 0 },
    });
  const ageMs = Math.max(0, nowMs - last.atMs);
  const params = { hours: Math.floor(ageMs / 3_600_000), changes: last.changesSince };
  const text = `The last restorable backup is ${inWords(ageMs)} old`;
  if (last.changesSince === 0) return line('backup-age', 'green', `${text}, and nothing was changed since.`, { params });
  const changes = last.changesSince === 1 ? '1 setting was' : `${last.changesSince} settings were`;
  return line('backup-age', 'amber', `${text}; ${changes} changed since.`, { advice, params });
}

/** B41: with the certificate and its key in hand service goes on elsewhere if everything fails. `exportedAtMs`: since the certificate in use was exported; null: never. */
export function certificateExportLine(exportedAtMs: number | null, nowMs: number): PreflightLine {
  if (exportedAtMs === null)
    return line('certificate-export', 'amber', 'The certificate and its private key were never exported.', {
      params: { hours: -1 },
      advice: 'Export them: /appliance > Security > Certificates > Export, with the key, and keep the file elsewhere.',
    });
  const ageMs = Math.max(0, nowMs - exportedAtMs);
  return line('certificate-export', 'green', `The certificate and its key were exported ${inWords(ageMs)} ago.`, {
    params: { hours: Math.floor(ageMs / 3_600_000) },
  });
}

/** B114: what ends while clients come back after an upgrade would look like a failed upgrade. */
export function certificateLine(notAfterMs: number, nowMs: number): PreflightLine {
  const leftMs = notAfterMs - nowMs;
  const params = { days: Math.floor(leftMs / DAY_MS) };
  if (leftMs >= ENDS_SOON_MS)
    return line('certificate', 'green', `The web certificate is valid for ${params.days} more days.`, { params });
  const text = leftMs > 0 ? `The web certificate ends in ${inWords(leftMs)}.` : 'The web certificate has ended.';
  return line('certificate', 'amber', text, {
    params,
    advice: 'Renew the certificate before the upgrade, so that clients find the appliance they know.',
  });
}

/** Until when the metadata says that nothing newer was withheld. */
export function trustLine(validUntilMs: number | null, nowMs: number): PreflightLine {
  if (validUntilMs !== null && validUntilMs > nowMs)
    return line(
      'trust',
      'green',
      `The signed list of releases is valid until ${new Date(validUntilMs).toISOString().slice(0, 10)}.`,
      {
        params: { days: Math.floor((validUntilMs - nowMs) / DAY_MS) },
      },
    );
  return line(
    'trust',
    'amber',
    'The signed list of releases has expired: there may be a newer release, or this one may have been withdrawn.',
    {
      params: { days: validUntilMs === null ? 0 : Math.floor((validUntilMs - nowMs) / DAY_MS) },
      advice: 'Check for updates, or bring a fresh file with a new download key. The package itself is verified either way.',
    },
  );
}

export function sessionsLine(
  sessions: { user: string; item: string; startedAtMs: number }[],
  clientsOnline: number,
): PreflightLine {
  const params = { sessions: sessions.length, clients: clientsOnline };
  const text =
    sessions.length === 0
      ? 'No access session is running.'
      : `${sessions.length} access ${sessions.length === 1 ? 'session is' : 'sessions are'} running: they go on, and are recorded without a gap.`;
  const details = sessions.map(({ user, item, startedAtMs }) => `${user}: ${item}, since ${new Date(startedAtMs).toISOString()}`);
  return line('sessions', 'green', text, { params, details });
}

/** Whether somebody would be left behind (B82-B89): amber until clients are through with the present version, or a person overrules it. */
export function clientsPendingLine(condition: FleetCondition): PreflightLine {
  if (condition.state === 'no-site')
    return line('clients-pending', 'green', 'The site does not run: nobody can tell how far its clients are.', {
      params: { pending: 0, total: 0 },
    });
  if (condition.state === 'unknown') {
    const hours = Math.ceil(condition.leftMs / 3_600_000);
    if (hours === 0)
      return line('clients-pending', 'green', 'The present site was installed more than 24 hours ago.', {
        params: { pending: 0, total: 0 },
      });
    return line(
      'clients-pending',
      'amber',
      `The present site does not say how far its clients are, and was installed less than 24 hours ago: ${hours} h are left.`,
      { params: { hours }, advice: 'Wait until the 24 hours are over, so that its clients can be upgraded first.' },
    );
  }
  const { total, current, pending, absent, failed, text } = condition.fleet;
  const params = { total, current, pending, absent, failed };
  const details = text === '' ? [] : [text];
  if (condition.state === 'settled')
    return line(
      'clients-pending',
      'green',
      `No client is waiting to be upgraded to the present version (${current} of ${total}).`,
      {
        params,
        details,
      },
    );
  const away = absent === 0 ? '' : `, ${absent} of them away`;
  return line(
    'clients-pending',
    'amber',
    `${pending} of ${total} clients are not upgraded to the present version yet${away}; ${failed} failed.`,
    {
      params,
      details,
      advice:
        'Wait until they are upgraded: /login > Jump > Client upgrades shows how far they are. If you overrule this, they catch up one version after the other when they come back.',
    },
  );
}

/** 'Who would I lose?' for the package (I6). */
export function clientsLostLine(losses: Losses | undefined): PreflightLine {
  if (losses === undefined)
    return line('clients-lost', 'green', 'The site could not say which clients would have trouble with this package.', {
      params: { lost: 0, trouble: 0 },
    });
  const { lost, trouble } = losses;
  const params = { lost, trouble, connected: losses.connected, seenLately: losses.seenLately };
  const details = losses.list
    .slice(0, LOST_NAMED_MAX)
    .map(({ name, severity, code, detail }) => `${name}: ${severity}, ${code}${detail === '' ? '' : ` (${detail})`}`);
  if (lost === 0)
    return line(
      'clients-lost',
      'green',
      trouble === 0 ? 'No client would be lost.' : `No client would be lost; ${trouble} would have trouble.`,
      { params, details },
    );
  return line('clients-lost', 'amber', `${lost} clients would be lost, and ${trouble} would have trouble.`, {
    params,
    details,
    advice: 'Look at who they are under /login > Jump > Trust, and mend what is named there first; or overrule this line.',
  });
}

/** `current`: the folder of the version in use; undefined when the appliance runs from a checkout, which nothing can replace. */
export function slotsLine(current: string | undefined): PreflightLine {
  if (current === undefined)
    return line('slots', 'red', 'This appliance runs from a checkout, which cannot be replaced.', {
      advice: 'Start the appliance with npm start, which stages the checkout as a version.',
    });
  return line('slots', 'green', `The new version goes beside ${current}, which stays to go back to.`, {
    params: { folder: current },
  });
}

export interface MigrationFacts {
  /** How many migrations the package brings that are not applied; undefined when that is not known. */
  pending: number | undefined;
  databaseBytes: number;
  /** How long the start on a copy took, when somebody tried it. */
  trialMs: number | undefined;
}

export function migrationLine({ pending, databaseBytes, trialMs }: MigrationFacts): PreflightLine {
  const params = { pending: pending ?? -1, megabytes: megabytes(databaseBytes), ...(trialMs !== undefined && { trialMs }) };
  const brings =
    pending === 0 ? 'No migration.' : pending === undefined ? 'Migrations as the package needs them.' : `${pending} migrations.`;
  const advice = 'Run Trial on a copy first: it says how long the site will be held, and changes nothing.';
  if (trialMs !== undefined)
    return trialMs <= LONG_MIGRATION_MS
      ? line('migration-timing', 'green', `${brings} The trial on a copy took ${inWords(trialMs)}.`, { params })
      : line('migration-timing', 'amber', `${brings} The trial on a copy took ${inWords(trialMs)}: for so long people wait.`, {
          params,
          advice: 'Install at a time of little traffic.',
        });
  if (pending === 0 || databaseBytes < TRIAL_WANTED_FROM_BYTES)
    return line('migration-timing', 'green', `${brings} The database has ${params.megabytes} MB.`, { params });
  return line(
    'migration-timing',
    'amber',
    `${brings} The database has ${params.megabytes} MB, and nobody has tried them on a copy.`,
    {
      params,
      advice,
    },
  );
}

export function memoryLine(availableBytes: number | undefined, usedByProgramsBytes: number): PreflightLine {
  if (availableBytes === undefined) return line('memory', 'green', 'The operating system does not say how much memory is free.');
  const params = { availableMegabytes: megabytes(availableBytes), neededMegabytes: megabytes(usedByProgramsBytes) };
  const text = `${params.availableMegabytes} MB of memory are available; old and new programs together need about ${params.neededMegabytes} MB more for some seconds.`;
  const advice = 'End other programs on this machine, or give it more memory.';
  if (availableBytes < usedByProgramsBytes / 2) return line('memory', 'red', text, { params, advice });
  const outcome = availableBytes < usedByProgramsBytes * MEMORY_FACTOR ? 'amber' : 'green';
  return line('memory', outcome, text, { params, ...(outcome === 'amber' && { advice }) });
}
