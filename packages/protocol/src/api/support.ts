/** Box interface, below `/appliance/api/support`: network utilities, and the support bundle. */
import { z } from 'zod';
import { instantMs, line } from '../text.ts';

/** A host name or an address, and nothing that a program could take for an option. */
export const utilityTarget = line(253).regex(/^[A-Za-z0-9_[\]][A-Za-z0-9._:[\]%-]*$/, 'must be a host name or an address');
export const DNS_RECORD_TYPES = ['A', 'AAAA', 'CNAME', 'MX', 'NS', 'PTR', 'SRV', 'TXT'] as const;

/** POST support/utilities: one at a time for each person; answered when it has ended. */
export const utility = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('tcp'), target: utilityTarget, port: z.number().int().min(1).max(65_535) }),
  z.strictObject({ kind: z.literal('dns'), target: utilityTarget, type: z.enum(DNS_RECORD_TYPES) }),
  z.strictObject({ kind: z.literal('ping'), target: utilityTarget, count: z.number().int().min(1).max(10) }),
  z.strictObject({ kind: z.literal('traceroute'), target: utilityTarget }),
]);
export type Utility = z.infer<typeof utility>;
export const utilityAnswer = z.object({
  /** Whether it reached what it was asked for. */
  ok: z.boolean(),
  /** What it said, cut at a limit. */
  output: z.string(),
  durationMs: z.number(),
});
export type UtilityAnswer = z.infer<typeof utilityAnswer>;

/** GET support/bundle/contents: what GET support/bundle (a .tar.zst) would hold. */
export const bundleContents = z.object({
  madeAtMs: instantMs,
  members: z.array(z.object({ name: z.string(), bytes: z.number(), about: z.string() })),
});
export type BundleContents = z.infer<typeof bundleContents>;
