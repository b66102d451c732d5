/** Jump Items, Jump Groups, installer tokens. */
import { z } from 'zod';
import { clientMode } from '../client-program.ts';
import { id, instantMs, line, optionalLine } from '../text.ts';
import { upgradeState } from './fleet.ts';

export const clientState = z.enum(['waiting-for-approval', 'approved', 'to-be-confirmed', 'revoked']);
/** What keeps a control link and can be jumped to or through. */
export const jumpProgram = z.enum(['jump-client', 'jumpoint']);
export type JumpProgram = z.infer<typeof jumpProgram>;

/** GET jump/items: everything this user may see, as one list, of at most 20,000; GET jump/items/search for more. */
export const jumpItem = z.object({
  id: id('jumpClient'),
  name: z.string(),
  groupId: id('jumpGroup').nullable(),
  groupName: z.string().nullable(),
  hostName: z.string(),
  os: z.string(),
  addresses: z.array(z.string()),
  /** As which operating system user a shell opens. */
  runsAs: z.string(),
  version: z.string(),
  state: clientState,
  online: z.boolean(),
  /** Since when online, or last seen. */
  sinceMs: instantMs.nullable(),
  /** Another item has the same name. */
  duplicateName: z.boolean(),
  comment: z.string(),
  /** Live access sessions on it. */
  sessions: z.number().int(),
  program: jumpProgram,
  /** Of its software (B108); empty for clients older than 0.2.0. */
  revision: z.string(),
  mode: clientMode,
  tags: z.array(z.string()),
  upgrade: upgradeState,
  /** Its place in the upgrade queue, from 1; null when it does not wait. */
  upgradePlace: z.number().int().nullable(),
  /** When a passive client that is away checks in at the latest; null for one that is online, active, or was never seen. */
  nextCheckInMs: instantMs.nullable().default(null),
});
export type JumpItem = z.infer<typeof jumpItem>;
/** `revision` goes up with every change; GET jump/items?since=REVISION answers only what changed. */
export const jumpItems = z.object({
  revision: z.number().int(),
  complete: z.boolean(),
  items: z.array(jumpItem),
  removed: z.array(z.string()),
});
export const changeJumpItemBody = z.object({
  name: line(128).optional(),
  groupId: id('jumpGroup').nullable().optional(),
  comment: optionalLine(500).optional(),
  tags: z.array(line(40)).max(20).optional(),
  mode: clientMode.optional(),
});

/** `state`: what one can jump to first. `attention`: what waits for a decision first. */
export const jumpItemSort = z.enum(['name', 'group', 'host', 'state', 'attention', 'version', 'since', 'os', 'user']);
/** GET jump/items/search: one page of what this user may see; quick with 100,000 rows. */
export const searchJumpItemsQuery = z.object({
  /** Part of name, host name, address, comment or tag. */
  text: z.string().max(100).default(''),
  groupId: z.union([id('jumpGroup'), z.literal('none')]).optional(),
  tag: z.string().max(40).optional(),
  state: clientState.optional(),
  online: z.stringbool({ truthy: ['true'], falsy: ['false'] }).optional(),
  upgrade: upgradeState.optional(),
  program: jumpProgram.optional(),
  sort: jumpItemSort.default('name'),
  descending: z.stringbool({ truthy: ['true'], falsy: ['false'] }).default(false),
  offset: z.coerce.number().int().min(0).max(1_000_000).default(0),
  limit: z.coerce.number().int().min(1).max(500).default(100),
});
export const jumpItemsPage = z.object({
  /** Rises with every change of any item. */
  revision: z.number().int(),
  total: z.number().int(),
  items: z.array(jumpItem),
  /** Over everything this user may see, whatever the filter: for the groups and tags beside the list. */
  groups: z.array(
    z.object({
      id: id('jumpGroup').nullable(),
      name: z.string().nullable(),
      items: z.number().int(),
      /** Of them, those that one can jump to now. */
      online: z.number().int(),
    }),
  ),
  tags: z.array(z.object({ tag: z.string(), items: z.number().int() })).max(500),
  /** Of which program how many there are, and how many of them one can jump to now; those without any are left out. */
  programs: z.array(z.object({ program: jumpProgram, items: z.number().int(), online: z.number().int() })).default([]),
});
export type JumpItemsPage = z.infer<typeof jumpItemsPage>;
/** POST jump/items/bulk (administrators): on the named items, or on all that a search finds (`search`), at most 100,000. All or nothing for 10,000 at a time. */
export const bulkJumpItemsBody = z.object({
  ids: z.array(id('jumpClient')).max(10_000).optional(),
  search: searchJumpItemsQuery.omit({ sort: true, descending: true, offset: true, limit: true }).partial().optional(),
  action: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('group'), groupId: id('jumpGroup').nullable() }),
    z.object({ kind: z.literal('tags'), add: z.array(line(40)).max(20), remove: z.array(line(40)).max(20) }),
    z.object({ kind: z.literal('mode'), mode: clientMode }),
    z.object({ kind: z.literal('approve') }),
    z.object({ kind: z.literal('confirm') }),
    z.object({ kind: z.literal('revoke') }),
    z.object({ kind: z.literal('delete') }),
  ]),
});
export const bulkJumpItemsDone = z.object({ changed: z.number().int(), skipped: z.number().int() });
/** GET jump/items/:id: one that this user may see. PATCH jump/items/:id, POST jump/items/:id/approve | revoke | delete | confirm */

export const jumpGroup = z.object({
  id: id('jumpGroup'),
  name: z.string(),
  items: z.number().int(),
  /** Users (not administrators) who may see and jump to its items. */ members: z.array(
    z.object({ id: id('user'), name: z.string() }),
  ),
});
export const jumpGroups = z.object({ groups: z.array(jumpGroup) });
/** POST jump/groups, PATCH jump/groups/:id, DELETE jump/groups/:id (its items keep existing, without a group) */
export const createJumpGroupBody = z.object({ name: line(64) });
export const changeJumpGroupBody = z.object({ name: line(64).optional(), memberIds: z.array(id('user')).max(1000).optional() });

/** GET jump/tokens, POST jump/tokens, POST jump/tokens/:id/revoke */
export const installerToken = z.object({
  id: id('installerToken'),
  name: z.string(),
  groupId: id('jumpGroup').nullable(),
  groupName: z.string().nullable(),
  createdBy: z.string(),
  createdAtMs: instantMs,
  validUntilMs: instantMs,
  usesLeft: z.number().int(),
  uses: z.number().int(),
  approveEach: z.boolean(),
  state: z.enum(['valid', 'expired', 'used-up', 'revoked']),
});
export const installerTokens = z.object({ tokens: z.array(installerToken) });
export const createInstallerTokenBody = z.object({
  name: line(64),
  validForHours: z
    .number()
    .int()
    .min(1)
    .max(24 * 365),
  uses: z.number().int().min(1).max(100_000),
  groupId: id('jumpGroup').nullable(),
  approveEach: z.boolean(),
});
/** `token` and the commands that carry it are shown once. */
export const createdInstallerToken = z.object({
  token: installerToken,
  secret: z.string(),
  /** For any Linux x64 with sh, curl, tar and sha256sum: installs a systemd service (or, with FOREGROUND=1, runs in the foreground). */
  installCommand: z.string(),
  /** From a checkout of Bascule. */
  checkoutCommand: z.string(),
});

/** GET jump/conflicts: two links with one identity. POST jump/conflicts/:clientId/decide {keep} */
export const conflictSide = z.object({
  hostName: z.string(),
  address: z.string(),
  os: z.string(),
  user: z.string(),
  sinceMs: instantMs,
});
export const conflicts = z.object({
  conflicts: z.array(z.object({ clientId: id('jumpClient'), name: z.string(), older: conflictSide, newer: conflictSide })),
});
export const decideConflictBody = z.object({ keep: z.enum(['older', 'newer']) });
