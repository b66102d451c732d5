/**
 * 'Test the standby' with people and clients (B133): what primary and backup say to each other over the pair link, and the backup to the program that serves
 * the scratch copy. docs/spec/pair.md, section 9.
 */
import { z } from 'zod';
import { instantMs, byteCount, id, sha256Hex } from './text.ts';
import { siteStart } from './base-site.ts';

/** A chosen client's second control link, dialled to the backup; otherwise as `bascule-link/1`. */
export const REHEARSAL_LINK_ALPN = 'bascule-rehearsal-link/1';
/** Its data links for sessions of the scratch copy; otherwise as `bascule-data/1`. */
export const REHEARSAL_DATA_ALPN = 'bascule-rehearsal-data/1';
/** Of a person who is in the test: 32 random bytes, base64url; the primary keeps their hash. */
export const REHEARSAL_COOKIE = '__Host-bascule-standby-test';
export const rehearsalCookieValue = z.string().regex(/^[A-Za-z0-9_-]{43}$/);
/** Answered by the primary always, whoever's request bears the cookie. */
export const LEAVE_REHEARSAL_PATH = '/login/leave-test';

/** How long a test lasts at most, when nobody ends it before. */
export const REHEARSAL_LIFE_MS = 60 * 60_000;
export const REHEARSAL_LIFE_MIN_MS = 1000;
export const REHEARSAL_USERS_MAX = 20;
export const REHEARSAL_CLIENTS_MAX = 20;
/** The primary looks this often; a backup that nobody has looked at for `REHEARSAL_WATCH_LIMIT_MS` ends the test by itself. */
export const REHEARSAL_LOOK_EVERY_MS = 2000;
export const REHEARSAL_WATCH_LIMIT_MS = 30_000;
/** What is reported of sessions in one answer. */
export const REHEARSAL_SESSIONS_MAX = 500;

/** Made by the primary for each test: 16 random bytes, hex. */
export const rehearsalId = z.string().regex(/^[0-9a-f]{32}$/);
const lifeMs = z.number().int().min(REHEARSAL_LIFE_MIN_MS).max(REHEARSAL_LIFE_MS);
const name = z.string().max(255);
const personName = z.string().max(200);

/** In the order in which they are done; `copy`, `open` and `session` by the backup, `name` and `clients` by the primary. */
export const REHEARSAL_STEPS = ['copy', 'open', 'name', 'clients', 'session'] as const;
export const rehearsalStep = z.object({
  code: z.enum(REHEARSAL_STEPS),
  outcome: z.enum(['running', 'passed', 'failed']),
  text: z.string().max(1000),
});
export type RehearsalStep = z.infer<typeof rehearsalStep>;

/** POST `/rehearsal` over the pair link. Answered by `rehearsalAnswer`. */
export const rehearsalOrder = z.discriminatedUnion('kind', [
  /** Primary → backup. Answered at once; the copy and the opening go on, and are looked for. The same `rehearsal` again changes nothing. */
  z.object({
    kind: z.literal('begin'),
    rehearsal: rehearsalId,
    users: z
      .array(z.object({ id: id('user'), name }))
      .min(1)
      .max(REHEARSAL_USERS_MAX),
    clients: z
      .array(z.object({ id: id('jumpClient'), name }))
      .min(1)
      .max(REHEARSAL_CLIENTS_MAX),
    lifeMs,
    /** Under which names people reach the primary: those that the scratch copy answers to. `hosts`: without ports, `publicHost` among them or not. */
    names: z.object({
      publicHost: z.string().max(255),
      publicPort: z.number().int().positive(),
      hosts: z.array(z.string().max(255)).max(32),
    }),
    /** Who asked for it. */
    by: personName,
  }),
  /** Primary → backup: how is it? `steps`: those of the primary, so that the backup's page shows them too. */
  z.object({ kind: z.literal('look'), rehearsal: rehearsalId, steps: z.array(rehearsalStep).max(REHEARSAL_STEPS.length) }),
  /** Primary → backup: makes the test session on one of the chosen clients that are connected. Answered at once; step `session` has the outcome. */
  z.object({ kind: z.literal('test-session'), rehearsal: rehearsalId }),
  /** Primary → backup: ends it, and answers when nothing of it serves any more. Harmless when it is over. */
  z.object({ kind: z.literal('end'), rehearsal: rehearsalId, by: personName }),
  /** Backup → primary: a person there wants to begin one. The primary looks who they are in its own accounts. */
  z.object({
    kind: z.literal('ask-begin'),
    users: z.array(id('user')).min(1).max(REHEARSAL_USERS_MAX),
    clients: z.array(id('jumpClient')).min(1).max(REHEARSAL_CLIENTS_MAX),
    by: z.object({ id: id('user'), name: personName }),
  }),
  /** Backup → primary: a person there wants to end it. */
  z.object({ kind: z.literal('ask-end'), by: z.object({ id: id('user'), name: personName }) }),
  /** Backup → primary: who may be chosen (`choices` of the answer). */
  z.object({ kind: z.literal('ask-choices') }),
]);
export type RehearsalOrder = z.infer<typeof rehearsalOrder>;

/** A session that was held in the test: for the primary's audit. */
export const rehearsalSession = z.object({
  session: id('accessSession'),
  user: name,
  item: name,
  startedAtMs: instantMs,
  /** Null: it was cut with the test. */
  endedAtMs: instantMs.nullable(),
  /** SHA-256 of the whole recording file, as it is in the archive on the backup; null: it has none. */
  recordingSha256: sha256Hex.nullable(),
  recordingBytes: byteCount,
});
export type RehearsalSession = z.infer<typeof rehearsalSession>;

/** What the backup knows of the test. */
export const rehearsalReport = z.object({
  /** Null with `none`. */
  rehearsal: rehearsalId.nullable(),
  state: z.enum(['none', 'preparing', 'open', 'ending', 'closed', 'failed']),
  startedAtMs: instantMs.nullable(),
  endsAtMs: instantMs.nullable(),
  /** Those of the backup: `copy`, `open`, `session`. */
  steps: z.array(rehearsalStep).max(REHEARSAL_STEPS.length),
  /** Of the chosen clients: whether they are linked to the scratch copy now. */
  clients: z.array(z.object({ id: id('jumpClient'), name, connected: z.boolean() })).max(REHEARSAL_CLIENTS_MAX),
  /** When it is over: every session that was held in it. */
  sessions: z.array(rehearsalSession).max(REHEARSAL_SESSIONS_MAX),
  /** When it is over: the id of its archive on the backup; null: nothing was worth keeping. */
  archive: z.string().max(200).nullable(),
  /** When it is over or failed: why, a sentence for a person. */
  reason: z.string().max(500).nullable(),
});
export type RehearsalReport = z.infer<typeof rehearsalReport>;

export const rehearsalAnswer = z.discriminatedUnion('ok', [
  z.object({
    ok: z.literal(true),
    report: rehearsalReport.optional(),
    choices: z
      .object({
        users: z.array(z.object({ id: z.string(), name: z.string() })).max(1000),
        clients: z.array(z.object({ id: z.string(), name: z.string(), online: z.boolean() })).max(1000),
      })
      .optional(),
  }),
  /** `code` is one of the errors of the API; `message` a sentence for a person. */
  z.object({ ok: z.literal(false), code: z.string().max(100), message: z.string().max(500) }),
]);
export type RehearsalAnswer = z.infer<typeof rehearsalAnswer>;

/**
 * A person's connection, primary → backup, on a TLS connection of the pair of its own: `GET /rehearsal/tunnel?rehearsal=<id>&to=main|relay` with
 * `Connection: Upgrade` and `Upgrade: bascule-rehearsal-tunnel/1`. After 101 the bytes are those that base would send to a socket of a site: the preamble
 * (wire.md, 2) with the person's address, then plain HTTP/1.1. One person's connection each. 404: no such test is open.
 */
export const REHEARSAL_TUNNEL_PATH = '/rehearsal/tunnel';
export const REHEARSAL_TUNNEL_PROTOCOL = 'bascule-rehearsal-tunnel/1';
/** More at once are refused with 503. */
export const REHEARSAL_TUNNELS_MAX = 200;
export const rehearsalTunnelQuery = z.object({ rehearsal: rehearsalId, to: z.enum(['main', 'relay']) });
export type RehearsalTunnelQuery = z.infer<typeof rehearsalTunnelQuery>;

/** What the backup gives the program of the scratch copy at its start, in the environment variable `BASCULE_REHEARSAL`, as JSON. */
export const rehearsalStart = z.object({
  /** `serve`: until it is told to end. `collect`: of a copy that nobody serves any more; writes what is kept of it into `collectInto`, says `collected`, and exits. */
  mode: z.enum(['serve', 'collect']),
  collectInto: z.string().optional(),
  rehearsal: rehearsalId,
  by: personName,
  /** The scratch copy, as base would start a site on it. */
  site: siteStart,
  clients: z.array(z.object({ id: id('jumpClient'), name })).max(REHEARSAL_CLIENTS_MAX),
  endsAtMs: instantMs,
});
export type RehearsalStart = z.infer<typeof rehearsalStart>;

/** Backup's main → program of the scratch copy: IPC messages of child_process with `serialization: 'advanced'`. */
export const toRehearsal = z.discriminatedUnion('kind', [
  /** Carries the unopened connection of a client; `head` is what was read of it. */
  z.object({
    kind: z.literal('link'),
    head: z.instanceof(Uint8Array),
    alpn: z.enum([REHEARSAL_LINK_ALPN, REHEARSAL_DATA_ALPN]),
  }),
  z.object({ kind: z.literal('test-session'), nonce: z.number().int() }),
  /** Ends every session and link, and exits with 0. */
  z.object({ kind: z.literal('end') }),
]);
export type ToRehearsal = z.infer<typeof toRehearsal>;

/** Program of the scratch copy → backup's main. */
export const fromRehearsal = z.discriminatedUnion('kind', [
  /** It listens on the sockets of its run folder. */
  z.object({ kind: z.literal('ready'), openMs: z.number().nonnegative(), migrations: z.number().int().nonnegative() }),
  /** It cannot work, and exits. */
  z.object({ kind: z.literal('failed'), message: z.string().max(500) }),
  /** Ids of the chosen clients that are linked now, at every change. */
  z.object({ kind: z.literal('clients'), connected: z.array(id('jumpClient')).max(REHEARSAL_CLIENTS_MAX) }),
  z.object({
    kind: z.literal('test-session-done'),
    nonce: z.number().int(),
    outcome: z.enum(['passed', 'failed', 'no-client']),
    item: name.optional(),
    ms: z.number().optional(),
    error: z.string().max(500).optional(),
  }),
  /** Of `collect`: audit export and recordings are on the disk. `changes`: how many the scratch copy had of its own. */
  z.object({
    kind: z.literal('collected'),
    sessions: z.array(rehearsalSession).max(REHEARSAL_SESSIONS_MAX),
    changes: z.number().int().nonnegative(),
  }),
]);
export type FromRehearsal = z.infer<typeof fromRehearsal>;
