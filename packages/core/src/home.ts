import { join } from 'node:path';

/** Every path below the data directory, in one place. The layout is that of docs/architecture.md, section "Data directory". */
export function homePaths(home: string) {
  const box = join(home, 'box');
  const software = join(home, 'software');
  return {
    home,
    /** State of this machine; never replicated. */
    box,
    boxDatabase: join(box, 'box.db'),
    boxTls: join(box, 'tls'),
    site: sitePaths(join(home, 'site')),
    software,
    /** `current` in each is the pointer: a symbolic link to the version in use. */
    baseSoftware: join(software, 'base'),
    siteSoftware: join(software, 'site'),
    runtimes: join(software, 'runtimes'),
    /** boot and helper with a Node of their own: root's (or the starter's); no installation touches them. */
    bootSoftware: join(software, 'boot'),
    /** The version of base that is on trial, and its tries (docs/spec/boot.md, 6). */
    baseTrial: join(software, 'base', 'trial.json'),
    /** Trusted TUF metadata, packages being downloaded or verified, and the appliance's update key. */
    updates: join(box, 'updates'),
    /** What base keeps for the site's client programs: trusted metadata, runtimes, programs of the version to come. Below box, since software belongs to root. */
    clientSupplies: {
      updateMetadata: join(box, 'clients', 'update-metadata'),
      runtimeArchives: join(box, 'clients', 'runtimes'),
      next: join(box, 'clients', 'next'),
    },
    /** Snapshots of both databases, one folder per installation. Below box, which base's user owns. */
    snapshots: join(box, 'snapshots'),
    /** Root's (or the starter's): boot.json says who runs here. */
    run: join(home, 'run'),
    bootState: join(home, 'run', 'boot.json'),
    /** In a directory of base's user (0700): ask base. */
    controlSocket: join(home, 'run', 'control', 'control.sock'),
    /** In a directory that root owns and base's group may enter (0750): ask the helper. */
    helperSocket: join(home, 'run', 'helper', 'helper.sock'),
    /** Backups of the site that lie on this appliance (0700, the site's user). */
    backups: join(home, 'backups'),
    logs: join(home, 'log'),
    /** State of the Jump Client that `npm start` enrols on this machine; belongs to whoever started it. */
    localClient: join(home, 'client'),
  } as const;
}

/** Every path below the site's directory. Only the site's user opens them. `run` holds the sockets of one start. */
export function sitePaths(site: string, run: string = join(site, 'run')) {
  return {
    site,
    database: join(site, 'site.db'),
    keys: join(site, 'keys'),
    recordings: join(site, 'recordings'),
    files: join(site, 'files'),
    /** The writer generation: a file of 20 decimal digits, rewritten in place by base before it starts a writer. */
    generation: join(site, 'generation'),
    /** What this appliance knows of its failover pair: its own, never replicated. */
    pairDatabase: join(site, 'pair.db'),
    /** Copies for the peer, and of it, while they are made. */
    pairWork: join(site, 'pair'),
    /** What a side held that was discarded or replaced, a folder each: never erased by the site. */
    archive: join(site, 'archive'),
    /** Scratch of backups: the copy of site.db, and what is restored on trial. */
    backupWork: join(site, 'backup'),
    /** The scratch copy of a rehearsal (B133). */
    rehearsal: join(site, 'rehearsal'),
    run,
    /** HTTP of the site (preamble first, see docs/spec/wire.md section 2). */
    mainSocket: join(run, 'main.sock'),
    /** Viewer links of browsers (preamble first). */
    relaySocket: join(run, 'relay.sock'),
    /** Main's orders to the relay, JSON lines. */
    relayControlSocket: join(run, 'relay-control.sock'),
  } as const;
}
