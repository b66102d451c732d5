/**
 * Moving to other hardware (B203-B206): box interface, below `/appliance/api/move`, of the old box and of the new one; and what the new box asks the old one with a
 * transfer code, over TLS whose key the code names (docs/decisions/0360).
 */
import { z } from 'zod';
import { byteCount, instantMs, line } from '../text.ts';
import { endpoint } from './failover.ts';
import { settingsPreview } from './box-settings.ts';

/** `bt1.<base64url of JSON>`: where the old box is, its name and the SHA-256 (base64) of its web key, and 32 random bytes that prove the right to move it. */
export const transferCode = z
  .string()
  .trim()
  .max(2000)
  .regex(/^bt1\.[A-Za-z0-9_-]{40,1900}$/);
export const TRANSFER_CODE_HOURS = 24;
/** From the first use on a code serves one move, for so long; once the other box serves, until it has ended the move. */
export const TRANSFER_MOVE_DAYS = 7;
/** Addresses of the old box in a code. */
export const CODE_ADDRESSES_MAX = 8;
export const transferCodeContent = z.object({
  endpoints: z.array(endpoint).min(1).max(CODE_ADDRESSES_MAX),
  /** The name whose certificate has that key: what is asked for in the handshake, whatever the address. */
  name: z.string().min(1).max(255),
  pin: z.string().regex(/^[A-Za-z0-9+/]{43}=$/),
  secret: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
});
export type TransferCodeContent = z.infer<typeof transferCodeContent>;

/** Where the site is now, as a signpost says. */
export const movedTo = z.object({
  appliance: line(200),
  endpoint,
  url: z.string().max(300).refine(leadsToHost, 'an https address of a host, and nothing else'),
});
export type MovedTo = z.infer<typeof movedTo>;

/** What a signpost may lead people to: https, a plain name or address, a path; no account, no query. */
function leadsToHost(text: string): boolean {
  if (!/^https:\/\/[\w.:/[\]-]+$/.test(text) || !URL.canParse(text)) return false;
  const { protocol, hostname } = new URL(text);
  return protocol === 'https:' && /^(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)$/.test(hostname);
}

/** In order. `ready` waits for a person, who switches. */
export const MOVE_STEPS = [
  'keys',
  'establish',
  'copy',
  'settings',
  'ready',
  'switch',
  'clients',
  'recordings',
  'finish',
] as const;
export const moveStep = z.enum(MOVE_STEPS);
export type MoveStep = z.infer<typeof moveStep>;

/** One line of what was looked at, as in establishing a pair: `move:check.<code>.<outcome>`. */
export const moveCheck = z.object({
  code: z.string().regex(/^[a-z-]+$/),
  outcome: z.enum(['green', 'amber', 'red']),
  text: z.string(),
  params: z.record(z.string(), z.union([z.string(), z.number()])),
});
export type MoveCheck = z.infer<typeof moveCheck>;

/** POST move/look: the old box is asked, and nothing is changed. */
export const moveLook = z.object({
  old: z.object({
    appliance: z.string(),
    baseVersion: z.string(),
    siteVersion: z.string(),
    publicHost: z.string(),
    databaseBytes: byteCount.nullable(),
    clientsOnline: z.number().int().nullable(),
    sessions: z.number().int().nullable(),
  }),
  checks: z.array(moveCheck).max(20),
  /** What the old box's own settings would change here. */
  settings: settingsPreview.nullable(),
});
export type MoveLook = z.infer<typeof moveLook>;

/** How the old box, and clients, reach this one. */
export const moveLookBody = z.strictObject({ code: transferCode, own: endpoint });
export const moveBeginBody = moveLookBody.extend({ parts: z.array(line(40)).max(20) });

/** The plan on the new box. */
export const moveState = z.object({
  id: z.string(),
  state: z.enum(['running', 'waiting', 'done', 'cancelled']),
  step: moveStep,
  old: z.object({ appliance: z.string(), endpoint }),
  startedAtMs: instantMs,
  startedBy: z.string(),
  endedAtMs: instantMs.nullable(),
  /** What the step does now, and how far it is; a failure that is tried again. English. */
  doing: z.string(),
  done: z.number().nullable(),
  total: z.number().nullable(),
  problem: z.string().nullable(),
  /** Clients that were connected to the old box before the switch, and how many are here. */
  clients: z.object({ before: z.number().int(), back: z.number().int() }).nullable(),
});
export type MoveState = z.infer<typeof moveState>;

/** GET move */
export const moveOverview = z.object({
  /** The code of this box, when it has been made and is not used up: when it ends. It is shown once, when it is made. */
  code: z.object({ validUntilMs: instantMs, usedBy: z.string().nullable() }).nullable(),
  /** This box is a signpost. */
  moved: movedTo.extend({ atMs: instantMs }).nullable(),
  move: moveState.nullable(),
  /** Addresses of this machine that a person may mean by 'this box'. */
  addresses: z.array(endpoint).max(64),
});
export type MoveOverview = z.infer<typeof moveOverview>;

/** POST move/code */
export const madeTransferCode = z.object({ code: z.string(), validUntilMs: instantMs });

/** POST move/old, without a login: the new box proves the code's secret in the header `transfer-secret` (what begins with `x-bascule-` does not pass the front door). */
export const TRANSFER_HEADER = 'transfer-secret';
export const oldBoxQuestion = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('look') }),
  z.strictObject({ kind: z.literal('begin'), by: line(200), appliance: line(200), key: z.string().min(20).max(200) }),
  z.strictObject({ kind: z.literal('establish'), move: line(100), old: endpoint, own: endpoint }),
  z.strictObject({ kind: z.literal('settings') }),
  /** How the old site stands: by order `state`. */
  z.strictObject({ kind: z.literal('state') }),
  z.strictObject({ kind: z.literal('end'), move: line(100), moved: movedTo }),
  z.strictObject({ kind: z.literal('cancel'), move: line(100) }),
]);
export type OldBoxQuestion = z.infer<typeof oldBoxQuestion>;
export const oldBoxAnswer = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('look'),
    appliance: z.string().max(200),
    baseVersion: z.string().max(100),
    siteVersion: z.string().max(100),
    publicHost: z.string().max(255),
    publicPort: z.number().int(),
    nowMs: instantMs,
    role: z.string().max(40).nullable(),
    databaseBytes: byteCount.nullable(),
    clientsOnline: z.number().int().nullable(),
    sessions: z.number().int().nullable(),
    settings: z.string().max(1_000_000),
  }),
  z.object({ kind: z.literal('done') }),
  z.object({ kind: z.literal('running') }),
  z.object({ kind: z.literal('settings'), settings: z.string().max(4_000_000) }),
  z.object({ kind: z.literal('state'), state: z.unknown() }),
]);
export type OldBoxAnswer = z.infer<typeof oldBoxAnswer>;
