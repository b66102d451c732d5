/**
 * The contract between base and the programs of a site (I3): IPC messages of child_process with `serialization: 'advanced'`,
 * and the preamble in front of every connection that base makes to a site's socket. base N works with sites N-1 to N+1: only add.
 */
import { z } from 'zod';
import { BACKUP_DESTINATIONS_MAX, BACKUP_PLACE_MAX_LENGTH } from './api/backup.ts';
import { ALARM_CODES, establishRequest, pairRole } from './api/failover.ts';
import { movedTo } from './api/move.ts';
import { LICENCES_MAX, toldLicence } from './api/licence.ts';
import { BOX_SETTINGS_MAX_BYTES } from './api/box-settings.ts';
import { boxAnswer, boxQuestion } from './api/plans.ts';
import { loginBanner } from './api/security.ts';
import { retention, retentionState } from './api/storage.ts';
import { losses, plannedChange } from './losses.ts';

/** Events of the site's audit that one `audit-batch` holds. */
export const AUDIT_BATCH_MAX = 200;

/** What base gives a site's program at its start, in the environment variable `BASCULE_SITE`, as JSON. */
export const siteStart = z.object({
  siteDir: z.string(),
  /** The writer generation; a program that finds a higher one in the file stops writing. */
  generation: z.number().int().positive(),
  applianceName: z.string(),
  /** The name and port by which people and clients reach the appliance. */
  publicHost: z.string(),
  publicPort: z.number().int().positive(),
  /** Extra names of the web certificate, for origin checks. */
  hosts: z.array(z.string()).max(32),
  version: z.string(),
  /** Where the runtime archive and the Jump Client's bundle for installers are built from. */
  softwareDir: z.string(),
  runtimeDir: z.string(),
  /** SHA-256 of the web certificate's public key (SPKI), base64, as `curl --pinnedpubkey` wants it. Sent again on change. */
  webKeyPin: z.string(),
  /** The folder of this start's sockets; `run` of the site when absent. A candidate has its own, so that both versions listen. */
  runDir: z.string().optional(),
  /**
   * `serve` (when absent): takes the state and works. `prepare`: loads everything, checks the state read-only, says `prepared` and waits for `activate`.
   * `trial`: as `serve` on a scratch copy in `siteDir`, without jobs, links or listening; says `ready` and what it measured (B49).
   */
  mode: z.enum(['serve', 'prepare', 'trial']).optional(),
  /** Where base keeps a copy of the update metadata that it trusts, for client programs: `1.root.json` ..., `timestamp.json` and so on. Absent: no trust yet. */
  updateMetadataDir: z.string().optional(),
  /** Where base keeps the signed archives of runtimes, `<sha256>.tar.zst`. */
  runtimeArchivesDir: z.string().optional(),
  /** Client programs of a site package that is downloaded and not installed: a folder per version. */
  nextProgramsDir: z.string().optional(),
  /** This version's watch period is over (or there was none): client programs may be upgraded. Absent: yes. */
  isCommitted: z.boolean().optional(),
  /** The highest epoch that this box has ever known: a site that comes with a lower one was restored (I5). */
  knownEpoch: z.number().int().nonnegative().optional(),
  /** Of which history that epoch was. */
  knownHistory: z.string().max(64).optional(),
  /** Where backups of this appliance lie; `backups` beside `siteDir` when absent. */
  backupsDir: z.string().optional(),
  /** Licences that are installed on this box; the site keeps what it was told of. */
  licences: z.array(toldLicence).max(LICENCES_MAX).optional(),
  /** The installed package of base, which starts this program. Absent: a base before 0.3.0. */
  basePackage: z.string().max(200).optional(),
});
export type SiteStart = z.infer<typeof siteStart>;

/** What an upgrade plan has a site do with its pair. */
export const pairOrder = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('state') }),
  z.object({ kind: z.literal('sync-now') }),
  /** `isLasting`: for good, not until the plan is done. Absent of a base before 0.6.0. */
  z.object({ kind: z.literal('break'), isLasting: z.boolean().optional() }),
  /** With the peer and addresses of the relationship that was broken last; `primary`, by name, is and stays primary. */
  z.object({ kind: z.literal('establish-again'), primary: z.string().max(100) }),
  /** Also while the relationship is broken. `primary`, by name, is primary afterwards; done already when it is so. */
  z.object({ kind: z.literal('swap'), primary: z.string().max(100) }),
  /** `into`, by name, pulls what the other side has changed since the break. Result: `{ left: string[] }`, the rest by name. */
  z.object({ kind: z.literal('pull-changes'), into: z.string().max(100) }),
  z.object({ kind: z.literal('compare') }),
  /** Of a move to other hardware: the pre-shared key that the new box made. It counts until `end-move` or `put-key-back`: then the one of before does, or none. */
  z.object({ kind: z.literal('take-key'), key: z.string().max(200) }),
  /** Of a move that is over at a box that does not serve any more: the relationship stays as it is. Absent of a base before 0.6.0. */
  z.object({ kind: z.literal('put-key-back') }),
  /** Result: `{ left, of }`, recordings of ended sessions that are not here yet. */
  z.object({ kind: z.literal('recordings-left') }),
  /** Establishes with this side as the primary, as a person does at Management > Failover. */
  z.object({ kind: z.literal('establish'), request: establishRequest }),
  /** The relationship of a move ends, without asking the other side: whoever serves is single, and the other one, when it is told `moved` (where the site is now), a signpost for people and clients. */
  z.object({ kind: z.literal('end-move'), moved: movedTo.nullable() }),
  z.object({ kind: z.literal('rehearse') }),
  /** By the site identity, ECDSA with SHA-256 over the UTF-8 bytes. Result: `{ signature, certificate }`, base64 (DER) and PEM. */
  z.object({ kind: z.literal('sign'), statement: z.string().max(200_000) }),
  /** Result: `{ sessionsByHour: number[] }`, sessions that ran in each hour of the week (UTC, 168, from Sunday 00:00) of the last four weeks. */
  z.object({ kind: z.literal('quiet-hours') }),
]);
export type PairOrder = z.infer<typeof pairOrder>;

/** base → site program. `link` carries the socket of the connection; `head` is what was read of it (the ClientHello). */
export const toSite = z.discriminatedUnion('kind', [
  /** `alpn`: the one of ours that was offered; absent of a base before 0.3.0, which hands on control and data links alone. */
  z.object({
    kind: z.literal('link'),
    head: z.instanceof(Uint8Array),
    address: z.string(),
    port: z.number().int(),
    alpn: z.string().max(40).optional(),
  }),
  z.object({ kind: z.literal('health'), nonce: z.number().int() }),
  z.object({ kind: z.literal('reset-password'), nonce: z.number().int(), user: z.string().max(100) }),
  z.object({ kind: z.literal('reset-second-factor'), nonce: z.number().int(), user: z.string().max(100) }),
  /** A single-use installer token for enrolling this very machine, asked for by `npm start`. */
  z.object({ kind: z.literal('local-client-token'), nonce: z.number().int() }),
  z.object({ kind: z.literal('web-key'), webKeyPin: z.string() }),
  /**
   * Ends the program in order and quickly: answers what is in flight, closes the writer, tells links to come back at once, and exits with 0. This is the
   * freeze of an installation: nothing can write once it is gone. To thaw, base starts the program again.
   */
  z.object({ kind: z.literal('stop'), comeBackAtOnce: z.boolean().optional() }),
  /** To a prepared program: it is the writer of `generation` now; it migrates, listens, and says `ready` or `failed`. */
  z.object({ kind: z.literal('activate'), generation: z.number().int().positive() }),
  /** To main: a snapshot of site.db into the new file `target`. */
  z.object({ kind: z.literal('snapshot'), nonce: z.number().int(), target: z.string() }),
  /** To main: integrity, and who is in which session. */
  z.object({ kind: z.literal('preflight'), nonce: z.number().int() }),
  /** To main: a backup of this appliance onto itself, before an installation (B40). One for each `key`, however often it is asked; answered by `backup-made` at once, with how far it is. */
  z.object({ kind: z.literal('make-backup'), nonce: z.number().int(), key: z.string().max(100) }),
  /** To main: a real session by the system to a connected Jump Client, recorded and ended (B215). */
  z.object({ kind: z.literal('test-session'), nonce: z.number().int() }),
  /** To main: the watch period of this version is over, and it stays: client programs may be upgraded now. */
  z.object({ kind: z.literal('committed') }),
  /** To main: the copy of the update metadata (`updateMetadataDir`) was renewed. */
  z.object({ kind: z.literal('update-metadata') }),
  /** To main: a licence was installed; all that are. */
  z.object({ kind: z.literal('licences'), licences: z.array(toldLicence).max(LICENCES_MAX) }),
  /** To main: how far the client programs are with this version, for the planner (B82-B89). */
  z.object({ kind: z.literal('fleet'), nonce: z.number().int() }),
  /** To main: which clients would have trouble with a change that is about to be made (I6). */
  z.object({ kind: z.literal('who-would-i-lose'), nonce: z.number().int(), change: plannedChange }),
  /** To main: who is back after a restore, and what cannot be read. */
  z.object({ kind: z.literal('restored-figures'), nonce: z.number().int() }),
  /** To main, before everything here is erased: where its backups lie elsewhere. Sites before 0.6.0 never answer. */
  z.object({ kind: z.literal('backup-places'), nonce: z.number().int() }),
  /** To main: for an upgrade plan (api/plans.ts). Answered by `pair-done`; work that takes longer goes on, and is asked for again (idempotent by `plan` and `step`). */
  z.object({
    kind: z.literal('pair-do'),
    nonce: z.number().int(),
    plan: z.string().max(100),
    step: z.number().int(),
    order: pairOrder,
  }),
  /** To main: carries a question to the base of the peer. Answered by `peer-answered`. */
  z.object({ kind: z.literal('ask-peer'), nonce: z.number().int(), question: boxQuestion }),
  /** To main: the answer to `ask-certificate` and `take-certificate`: the names that are served now, and what was asked for. */
  z.object({
    kind: z.literal('certificate'),
    nonce: z.number().int(),
    names: z.array(z.string().max(255)).max(200),
    certificatePem: z.string().max(100_000).optional(),
    keyPem: z.string().max(20_000).optional(),
    error: z.string().max(500).optional(),
  }),
  /** To main: what was audited after `after`, for syslog; null: from now on. Answered by `audit-batch`; what is asked for next acknowledges it. */
  z.object({
    kind: z.literal('audit-after'),
    nonce: z.number().int(),
    after: z.object({ epoch: z.number().int(), sequence: z.number().int() }).nullable(),
    /** The newest signed head that base has. */
    headAfterMs: z.number(),
    limit: z.number().int().min(1).max(AUDIT_BATCH_MAX),
  }),
  /** To main: how long it keeps recordings and reports; `change` changes it first, on behalf of the box administrator `by`. */
  z.object({
    kind: z.literal('retention'),
    nonce: z.number().int(),
    change: z.object({ settings: retention, by: z.object({ id: z.string(), name: z.string(), address: z.string() }) }).optional(),
  }),
  /** To main: the answer to `ask-box-settings`: JSON of `boxSettingsFile` (api/box-settings.ts). */
  z.object({
    kind: z.literal('box-settings'),
    nonce: z.number().int(),
    settings: z.string().max(BOX_SETTINGS_MAX_BYTES).optional(),
    error: z.string().max(500).optional(),
  }),
  /** To main, when it has begun and whenever it changes: what is shown before a login. */
  z.object({ kind: z.literal('login-banner'), text: loginBanner }),
  /** To main: what this base answers to a `peer-asks`. */
  z.object({ kind: z.literal('box-answered'), nonce: z.number().int(), answer: boxAnswer }),
]);
export type ToSite = z.infer<typeof toSite>;

/** site program → base. */
export const fromSite = z.discriminatedUnion('kind', [
  /** The program listens and works. `firstPassword` only when this start made the user `admin`. */
  z.object({
    kind: z.literal('ready'),
    firstPassword: z.string().optional(),
    /** What was measured on the way, in milliseconds: of a trial, each migration too (`migration <name>`). */
    detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
  }),
  z.object({
    kind: z.literal('health'),
    nonce: z.number().int(),
    ok: z.boolean(),
    detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  }),
  z.object({
    kind: z.literal('password-reset'),
    nonce: z.number().int(),
    password: z.string().optional(),
    error: z.string().optional(),
  }),
  z.object({ kind: z.literal('second-factor-reset'), nonce: z.number().int(), error: z.string().optional() }),
  z.object({
    kind: z.literal('local-client-token'),
    nonce: z.number().int(),
    token: z.string().optional(),
    error: z.string().optional(),
  }),
  /** Everything is loaded and the state is readable; waits for `activate`. `schema` is that of the database, `pending` the migrations it would apply. */
  z.object({
    kind: z.literal('prepared'),
    schema: z.number().int(),
    pending: z.array(z.string()).max(1000),
    detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  }),
  /** What it does now, while it is not ready: a migration with its number, of so many. */
  z.object({ kind: z.literal('progress'), text: z.string().max(200), done: z.number(), total: z.number() }),
  z.object({
    kind: z.literal('snapshot-taken'),
    nonce: z.number().int(),
    bytes: z.number().optional(),
    error: z.string().optional(),
  }),
  z.object({
    kind: z.literal('preflight'),
    nonce: z.number().int(),
    integrityProblems: z.array(z.string()).max(100),
    databaseBytes: z.number(),
    clientsOnline: z.number().int(),
    /** Running access sessions, by person. */
    sessions: z.array(z.object({ session: z.string(), user: z.string(), item: z.string(), startedAtMs: z.number() })).max(1000),
    /** The last backup that is known to be restorable, and what people changed since (B40); null: there is none. Absent: a site before 0.5.0, or a backup of a pair. */
    lastBackup: z.object({ atMs: z.number(), changesSince: z.number().int() }).nullable().optional(),
    error: z.string().optional(),
  }),
  z.object({
    kind: z.literal('backup-made'),
    nonce: z.number().int(),
    /** `restorable`: it was restored on trial. */
    state: z.enum(['running', 'restorable', 'failed']),
    id: z.string().max(100).optional(),
    /** Its name in the folder for backups. */
    file: z.string().max(200).optional(),
    bytes: z.number().optional(),
    error: z.string().optional(),
  }),
  z.object({
    kind: z.literal('test-session'),
    nonce: z.number().int(),
    outcome: z.enum(['passed', 'failed', 'no-client']),
    /** The Jump Item, and the session's id in the reports. */
    item: z.string().optional(),
    session: z.string().optional(),
    ms: z.number().optional(),
    error: z.string().optional(),
  }),
  z.object({
    kind: z.literal('fleet'),
    nonce: z.number().int(),
    /** Of clients seen in the last 30 days; `absent` of them are not connected, and `pending` run an older version. */
    total: z.number().int(),
    current: z.number().int(),
    pending: z.number().int(),
    absent: z.number().int(),
    failed: z.number().int(),
    /** In order: nobody would be left behind by the next site package. */
    isSettled: z.boolean(),
    /** One sentence for a person, in English. */
    text: z.string().max(500),
    error: z.string().optional(),
  }),
  z.object({
    kind: z.literal('who-would-i-lose'),
    nonce: z.number().int(),
    losses: losses.optional(),
    error: z.string().optional(),
  }),
  z.object({
    kind: z.literal('restored-figures'),
    nonce: z.number().int(),
    /** Jump Clients that are approved or to be confirmed; those that are connected; the first of the others by name. */
    total: z.number().int(),
    back: z.number().int(),
    missing: z.array(z.string().max(128)).max(200),
    /** In words; absent: not known. */
    unreadableSecrets: z.array(z.string().max(400)).max(200).optional(),
    error: z.string().optional(),
  }),
  z.object({
    kind: z.literal('backup-places'),
    nonce: z.number().int(),
    /** Destinations beside this appliance, in words. */
    places: z.array(z.string().max(BACKUP_PLACE_MAX_LENGTH)).max(BACKUP_DESTINATIONS_MAX).optional(),
    error: z.string().optional(),
  }),
  /**
   * From main: on each change, and twice a second as a sign of life, which base answers with `health` in a pair. While `serves`, base holds the shared addresses, for no longer than `leaseLeftMs` (null: as long as
   * main says so), and lets them go when main falls silent.
   */
  z.object({
    kind: z.literal('pair-state'),
    role: pairRole,
    history: z.string(),
    epoch: z.number().int().nonnegative(),
    serves: z.boolean(),
    leaseLeftMs: z.number().nullable(),
    mode: z.enum(['async', 'sync']),
    peer: z.object({ name: z.string(), state: z.enum(['reachable', 'unreachable']) }).nullable(),
    lagChanges: z.number().int().nullable(),
    lagSeconds: z.number().nullable(),
    /** When it was said, on the boot clock (packages/core boot-clock.ts): what lay about while base was stopped counts from then. Absent: from when it is heard. */
    atBootMs: z.number().nonnegative().optional(),
    /** Where a change can be made, when not here; for the header of /appliance. */
    primaryUrl: z.string().nullable().optional(),
    alarms: z.array(z.enum(ALARM_CODES)).max(20).optional(),
  }),
  z.object({
    kind: z.literal('pair-done'),
    nonce: z.number().int(),
    outcome: z.enum(['done', 'running', 'failed']),
    error: z.string().optional(),
    /** By kind of order: the state (api/failover.ts), a list of names, a signature. */
    result: z.unknown().optional(),
  }),
  z.object({ kind: z.literal('peer-answered'), nonce: z.number().int(), answer: boxAnswer }),
  /** From main: which names the web certificate is good for; with `withKey`, when a relationship is established, the one of the shared name `host` and its key. */
  z.object({ kind: z.literal('ask-certificate'), nonce: z.number().int(), host: z.string().max(255), withKey: z.boolean() }),
  /** From main, of a backup: the certificate of the shared name, which the primary has handed over. */
  z.object({
    kind: z.literal('take-certificate'),
    nonce: z.number().int(),
    certificatePem: z.string().max(100_000),
    keyPem: z.string().max(20_000),
  }),
  /** From main: the box's own settings, for a backup; with passwords and private keys only when it is encrypted. Answered by `box-settings`. */
  z.object({ kind: z.literal('ask-box-settings'), nonce: z.number().int(), withSecrets: z.boolean() }),
  /** From main: the base of the peer asks this one. */
  z.object({ kind: z.literal('peer-asks'), nonce: z.number().int(), peer: z.string(), question: boxQuestion }),
  z.object({
    kind: z.literal('audit-batch'),
    nonce: z.number().int(),
    /** Where the chain is: what to ask for next when there were no events. */
    position: z.object({ epoch: z.number().int(), sequence: z.number().int() }),
    events: z
      .array(
        z.object({
          id: z.string(),
          appliance: z.string(),
          epoch: z.number().int(),
          sequence: z.number().int(),
          atMs: z.number(),
          code: z.string(),
          actorKind: z.string(),
          actorName: z.string(),
          address: z.string(),
          summary: z.string(),
          hash: z.string(),
        }),
      )
      .max(AUDIT_BATCH_MAX),
    /** Signed by the site identity (audit-export 1.3): the statement, and the signature in base64. */
    head: z.object({ atMs: z.number(), statement: z.string(), signature: z.string() }).nullable(),
    error: z.string().optional(),
  }),
  z.object({
    kind: z.literal('retention'),
    nonce: z.number().int(),
    state: retentionState.optional(),
    error: z.string().optional(),
  }),
  /** The program cannot work and says why in one sentence; it exits next. */
  z.object({ kind: z.literal('failed'), message: z.string() }),
]);
export type FromSite = z.infer<typeof fromSite>;

/** First line of every connection to a site's socket: this text, JSON, newline; at most PREAMBLE_MAX_BYTES. */
export const PREAMBLE_MAGIC = 'BASCULE/1 ';
export const PREAMBLE_MAX_BYTES = 1024;
export const preamble = z.object({ address: z.string().max(64), port: z.number().int().min(0).max(65535) });
export type Preamble = z.infer<typeof preamble>;
