/**
 * What base asks the helper, the one program of root, over `run/helper/helper.sock` (docs/spec/boot.md, 5). The helper is replaced with the operating system's
 * package only: base asks `describe` for its verbs, and works with one that lacks some. The helper checks what it gets by hand, since it has no dependency.
 */
import { z } from 'zod';

export const helperAnswer = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), result: z.unknown() }),
  z.object({ ok: z.literal(false), error: z.string().max(4096) }),
]);

export const helperDescription = z.object({
  version: z.number().int(),
  verbs: z.array(z.string()).max(200),
  /** Why announcements do not work on this machine, by family; null: they do. Absent of version 1. */
  missing: z
    .object({
      announce4: z.string().nullable(),
      announce6: z.string().nullable(),
      /** Why even root cannot change the network here (a container); absent of versions before 3. */
      netAdmin: z.string().nullable().optional(),
    })
    .optional(),
});
export type HelperDescription = z.infer<typeof helperDescription>;

export const helperDevice = z.object({
  name: z.string(),
  up: z.boolean(),
  mac: z.string().nullable(),
  addresses: z
    .array(
      z.object({
        address: z.string(),
        prefix: z.number().int(),
        lifeLeftSeconds: z.number().nullable(),
        isDuplicate: z.boolean(),
        ours: z.boolean(),
      }),
    )
    .max(64),
});
export type HelperDevice = z.infer<typeof helperDevice>;
export const helperDevices = z.array(helperDevice).max(64);

/** `refused`: why it would not be run; null: it would. */
export const helperHooks = z.array(z.object({ name: z.string(), refused: z.string().nullable() })).max(50);
export const hookOutput = z.object({ output: z.string() });

export const helperRoutes = z
  .array(
    z.object({
      destination: z.string(),
      gateway: z.string().nullable(),
      device: z.string(),
      metric: z.number().int(),
      protocol: z.string(),
      ours: z.boolean(),
    }),
  )
  .max(256);
export type HelperRoute = z.infer<typeof helperRoutes>[number];

const notChangeable = z.enum(['read-only', 'managed', 'not-permitted']).nullable();
/** Of `host-look`: why name and name servers cannot be changed; null: they can. */
export const helperHostLook = z.object({
  cannotName: notChangeable,
  cannotResolve: notChangeable,
  resolverManager: z.string().nullable(),
});
