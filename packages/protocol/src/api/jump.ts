/** Jump Items, Jump Groups, installer tokens. */
import { z } from 'zod';
import { id, instantMs, line, optionalLine } from '../text.ts';

export const clientState = z.enum(['waiting-for-approval', 'approved', 'to-be-confirmed', 'revoked']);
/** GET jump/items: everything this user may see, as one list (ten thousand rows are one answer of about 3 MB, compressed). */
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
});
/** POST jump/items/:id/approve | revoke | delete | confirm */

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
