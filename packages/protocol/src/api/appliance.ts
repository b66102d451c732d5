/** Box interface, below `/appliance/api`. Login and box administrators: see auth.ts. */
import { z } from 'zod';
import { instantMs } from '../text.ts';
import { processState } from '../appliance-control.ts';
import { certificateWarning } from './certificates.ts';
import { applianceHeader, pairRole } from './failover.ts';

/** GET status/basics (B6, B7) */
export const basics = z.object({
  applianceName: z.string(),
  nowMs: instantMs,
  timeZone: z.string(),
  baseVersion: z.string(),
  packages: z.array(z.object({ kind: z.enum(['base', 'site', 'licence']), version: z.string(), state: z.string() })),
  hostUptimeSeconds: z.number(),
  applianceUptimeSeconds: z.number(),
  disk: z.object({ path: z.string(), totalBytes: z.number(), freeBytes: z.number() }),
  processes: z.array(processState.extend({ rssBytes: z.number().nullable() })),
  /** Whether base and site run as users of their own, apart from root. */
  separated: z.boolean(),
  siteReady: z.boolean(),
  /** Of the failover pair, as main said last; null: it has said nothing yet. */
  pair: z
    .object({
      role: pairRole,
      serves: z.boolean(),
      peer: z.object({ name: z.string(), state: z.enum(['reachable', 'unreachable']) }).nullable(),
      lagChanges: z.number().int().nullable(),
      lagSeconds: z.number().nullable(),
    })
    .nullable(),
  addresses: z.array(z.string()),
  certificate: z.object({
    issuedTo: z.string(),
    names: z.array(z.string()),
    notAfterMs: instantMs,
    selfMade: z.boolean(),
    sha256: z.string(),
    /** What is wrong with it, or soon will be. Absent: an older base. */
    warnings: z.array(certificateWarning).optional(),
  }),
});
export type Basics = z.infer<typeof basics>;
/** GET appliance/api/state, without login: what the header of every page and the progress page show. No secrets. */
export const publicState = z.object({
  applianceName: z.string(),
  siteReady: z.boolean(),
  siteState: z.enum(['starting', 'ready', 'restarting', 'stopped']),
  /** Of this run of base, at random: two appliances of a pair may go by one name. */
  instance: z.string().max(64).optional(),
  /** The site was moved to another box for good: where people go (B203). */
  moved: z.object({ appliance: z.string(), url: z.string() }).optional(),
});

/** GET appliance/api/whoami/appliance: the header of every page of /appliance, also while the site is away (then as single). */
export const boxHeader = applianceHeader.extend({
  /** Whether the last move of traffic failed, which somebody must look at. */
  trafficFailed: z.boolean(),
});
export type BoxHeader = z.infer<typeof boxHeader>;
