/**
 * The control link: Jump Client ⇄ site main. TLS 1.3 with ALPN `bascule-link/1`, WebSocket at `/link`, one JSON message per
 * text frame, at most `CONTROL_MESSAGE_MAX_BYTES`. docs/spec/wire.md, section 3.
 */
import { z } from 'zod';
import { byteCount, id, instantMs, reported, sha256Hex, terminalSize } from './text.ts';
import { clientSettings, clientSoftware, upgradeOrder, upgradeReport } from './client-program.ts';
import { endReasons } from './end-reason.ts';

export const LINK_ALPN = 'bascule-link/1';
export const DATA_ALPN = 'bascule-data/1';
/** The name in the leaf that the site and the relay show on links; it is no DNS name. */
export const LINK_SERVER_NAME = 'link.bascule.internal';
/** What a client asks for on the connection that only reads the chain (wire 3.3): the site identity in force is in it then, whatever was rotated. */
export const ENROL_SERVER_NAME = 'enrol.bascule.internal';
/** What a client signs to prove at enrolment that it holds the key: bound to the token and to this connection. */
export const enrolmentProofText = (secret: string, challenge: string) => `bascule-enrol/1\n${secret}\n${challenge}`;
/** The protocol versions this software speaks, oldest first. */
export const PROTOCOL_VERSIONS = [1] as const;
export const CONTROL_MESSAGE_MAX_BYTES = 64 * 1024;
/** Either side drops a link that was silent for this long; each side pings at a third of it. */
export const CONTROL_SILENCE_LIMIT_MS = 90_000;
/** In a pair the site says something at least this often, so that a client whose appliance hangs finds out (`settings.beatMs`). */
export const CONTROL_BEAT_MS = 10_000;

export const clientFacts = z.object({
  hostName: reported(255),
  os: reported(255),
  arch: reported(32),
  addresses: z.array(reported(64)).max(16),
  /** The operating system user the client runs as: whose shell a session gets. */
  user: reported(64),
  version: reported(64),
});
export type ClientFacts = z.infer<typeof clientFacts>;

/** A session the client still holds a process for; sent at every connect, so that the site learns what survived. */
export const heldSession = z.object({
  session: id('accessSession'),
  outStart: byteCount,
  outEnd: byteCount,
  exited: z.boolean(),
});
export type HeldSession = z.infer<typeof heldSession>;

const base64 = z
  .string()
  .max(8192)
  .regex(/^[A-Za-z0-9+/]+={0,2}$/);

export const fromClient = z.discriminatedUnion('kind', [
  /**
   * First message without a client certificate. `publicKey` is SPKI DER; `proof` is an ECDSA-SHA256 signature with that key over
   * `"bascule-enrol/1\n" + secret + "\n" + challenge` (the challenge comes from the server's `welcome`).
   */
  z.object({
    kind: z.literal('enrol'),
    token: z.string().max(200),
    publicKey: base64,
    proof: base64,
    facts: clientFacts,
    /** A name for the Jump Item; the host name if absent. */
    name: reported(128).optional(),
  }),
  /** First message with a client certificate. */
  z.object({
    kind: z.literal('hello'),
    versions: z.array(z.number().int().positive()).min(1).max(16),
    /** Made anew at each start of the client program: tells a reconnect from a second copy of the same identity. */
    instance: z.string().regex(/^[0-9a-f]{32}$/),
    facts: clientFacts,
    sessions: z.array(heldSession).max(256),
    /** Absent of clients older than 0.2.0. */
    software: clientSoftware.optional(),
    /** The order it works at, or an outcome that the site has not noted yet. */
    upgrade: upgradeReport.optional(),
    /** What the site last signed about this client, for a site that does not know it (any more). */
    record: z.string().max(4096).optional(),
    /** It knows `rehearse`: it can hold a second link for a test of the standby. */
    rehearses: z.boolean().optional(),
  }),
  /** The data link of `session` broke or is to be opened: asks for a new one-time ticket. */
  z.object({ kind: z.literal('ticket-request'), session: id('accessSession') }),
  /** A session could not be started. `reason` is a sentence for a person. */
  z.object({ kind: z.literal('session-failed'), session: id('accessSession'), reason: reported(500) }),
  /** The client forgot the session (everything acknowledged, or told to). */
  z.object({ kind: z.literal('session-gone'), session: id('accessSession') }),
  /** The client stops on purpose; its sessions end with it. */
  z.object({ kind: z.literal('goodbye') }),
  z.object({ kind: z.literal('upgrade-status'), ...upgradeReport.shape }),
  /** The answer to `uninstall`, before it removes itself; nothing comes after it. `failed`: a sentence why it cannot. */
  z.object({ kind: z.literal('uninstalling'), failed: reported(500).optional() }),
  /** The answer to `rehearse`, at every change: whether its second link stands. `reason`: why not, a sentence for a person. */
  z.object({
    kind: z.literal('rehearsal-link'),
    rehearsal: z.string().regex(/^[0-9a-f]{32}$/),
    connected: z.boolean(),
    reason: reported(500).optional(),
  }),
]);
export type FromClient = z.infer<typeof fromClient>;

export const sessionProgram = z.object({
  kind: z.literal('shell'),
  size: terminalSize,
  term: reported(64),
  /** Whether the client copies what is typed into the stream (policy; default no). */
  recordInput: z.boolean(),
  /** After how long without any appliance the client gives the session up by itself. */
  giveUpAfterMs: z.number().int().positive(),
});
export type SessionProgram = z.infer<typeof sessionProgram>;

/** Values of `refused.code`; the client's behaviour is fixed by it. */
export const RefusalCode = {
  /** Never comes right by itself: the client waits `retryAfterMs` (long) and says so in its log. */
  revoked: 'revoked',
  tokenInvalid: 'token-invalid',
  versionUnsupported: 'version-unsupported',
  /** Another link with the same identity is connected; this one is held until an administrator decides. */
  duplicate: 'duplicate-identity',
  malformed: 'malformed',
  busy: 'busy',
} as const;
export type RefusalCode = (typeof RefusalCode)[keyof typeof RefusalCode];

export const toClient = z.discriminatedUnion('kind', [
  /** Sent by the server at once after the upgrade. */
  z.object({
    kind: z.literal('welcome'),
    challenge: z.string().max(200),
    appliance: z.string().max(100),
    /** Of the site's software; absent before 0.2.0. Clients that were installed ahead of the site wait for it (B97). */
    version: z.string().max(64).optional(),
  }),
  z.object({
    kind: z.literal('enrolled'),
    client: id('jumpClient'),
    certificate: z.string().max(8192),
    authority: z.string().max(16384),
  }),
  /**
   * The answer to `hello`. `state` tells what the site makes of the client; `reconnect` paces every later reconnect: wait a random
   * time within the window, sessions first.
   */
  z.object({
    kind: z.literal('accepted'),
    version: z.number().int().positive(),
    state: z.enum(['approved', 'waiting-for-approval', 'to-be-confirmed', 'held']),
    reconnect: z.object({
      windowMs: z.number().int().nonnegative().max(600_000),
      withSessionsWindowMs: z.number().int().nonnegative().max(60_000),
    }),
    serverTimeMs: instantMs,
    /** A certificate with a later end, when the present one has less than a third of its life left. */
    certificate: z.string().max(8192).optional(),
    /** PEM of the site identity in force, when the client trusts one before it: it replaces what the client trusts. */
    authority: z.string().max(16384).optional(),
    /** What the site signs about this client, to be kept and shown in `hello`. */
    record: z.string().max(4096).optional(),
    settings: clientSettings.optional(),
  }),
  z.object({
    kind: z.literal('refused'),
    code: z.enum(Object.values(RefusalCode) as [RefusalCode, ...RefusalCode[]]),
    message: z.string().max(500),
    retryAfterMs: z.number().int().nonnegative(),
    /** With `busy`, of a backup: who has the site now, when it is known. The client tries its other addresses at once. */
    elsewhere: z.boolean().optional(),
    /** With `elsewhere`, of a box whose site was moved to another one: where it is. The client keeps it until the site says otherwise. */
    addresses: clientSettings.shape.addresses,
    /** With `revoked`: as in `accepted`, so that a client that is borne by an older database later says so itself. */
    record: z.string().max(4096).optional(),
  }),
  z.object({ kind: z.literal('state'), state: z.enum(['approved', 'waiting-for-approval', 'to-be-confirmed', 'held']) }),
  /** Start a process and dial a data link with the ticket. Idempotent by `session`. */
  z.object({
    kind: z.literal('session-open'),
    session: id('accessSession'),
    program: sessionProgram,
    ticket: z.string().max(200),
  }),
  z.object({ kind: z.literal('ticket'), session: id('accessSession'), ticket: z.string().max(200) }),
  /** End the process (SIGHUP, after 5 s SIGKILL) and report the rest of the output over the data link. */
  z.object({ kind: z.literal('session-end'), session: id('accessSession'), reason: z.enum(endReasons) }),
  /** Forget the session now: the site has closed its record. Kills what is left. */
  z.object({ kind: z.literal('session-forget'), session: id('accessSession') }),
  /**
   * The site is replaced and back in a moment: the link is closed next (4006). Dial again after `afterMs` and a random part of `withinMs`; base holds the
   * connection until the site is there. Clients that do not know it keep to `accepted.reconnect`.
   */
  z.object({
    kind: z.literal('come-back'),
    afterMs: z.number().int().nonnegative().max(600_000),
    withinMs: z.number().int().nonnegative().max(600_000),
  }),
  z.object({ kind: z.literal('upgrade'), ...upgradeOrder.shape }),
  /** The order is void: what was fetched is kept, and nothing is switched. */
  z.object({ kind: z.literal('upgrade-cancel'), order: id('clientUpgrade') }),
  /** The outcome of the order is in the site's database: the client forgets it. */
  z.object({ kind: z.literal('upgrade-noted'), order: id('clientUpgrade') }),
  z.object({ kind: z.literal('settings'), settings: clientSettings }),
  /** To a passive client: there is nothing to do for it now; it closes, and checks in again as its settings say. */
  z.object({ kind: z.literal('check-in-over') }),
  /** The client removes itself from the machine, without a trace (B89). */
  z.object({ kind: z.literal('uninstall') }),
  /**
   * A test of the standby (rehearsal.ts), to clients that say `rehearses`: dial a second control link to `host` and `port` with ALPN `bascule-rehearsal-link/1`,
   * beside this one, until `lifeMs` are over. The same `rehearsal` again changes nothing but the time that is left.
   */
  z.object({
    kind: z.literal('rehearse'),
    rehearsal: z.string().regex(/^[0-9a-f]{32}$/),
    host: z.string().max(255),
    port: z.number().int().min(1).max(65_535),
    lifeMs: z.number().int().positive().max(3_600_000),
  }),
  /** The test is over: the second link is closed, and the sessions of the test with it. On either link. */
  z.object({ kind: z.literal('rehearsal-over'), rehearsal: z.string().regex(/^[0-9a-f]{32}$/) }),
]);
export type ToClient = z.infer<typeof toClient>;

export const installerTokenText = z.string().regex(/^bjt1\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}\.[0-9a-f]{64}$/);
/**
 * The text of an installer token: `bjt1.<22 base64url id part>.<43 base64url secret>.<sha-256 of the site identity's certificate>`.
 * The last part is what the client pins before it sends the secret.
 */
export function parseInstallerToken(text: string): { lookup: string; secret: string; identitySha256: string } | undefined {
  const parsed = installerTokenText.safeParse(text.trim());
  if (!parsed.success) return undefined;
  const [, lookup, secret, identitySha256] = parsed.data.split('.') as [string, string, string, string];
  return { lookup, secret, identitySha256 };
}
export { sha256Hex };
