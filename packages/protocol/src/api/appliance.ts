/** Box interface, below `/appliance/api`. Login and box administrators: see auth.ts. */
import { z } from 'zod';
import { instantMs } from '../text.ts';
import { processState } from '../appliance-control.ts';

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
  addresses: z.array(z.string()),
  certificate: z.object({
    issuedTo: z.string(),
    names: z.array(z.string()),
    notAfterMs: instantMs,
    selfMade: z.boolean(),
    sha256: z.string(),
  }),
});
export type Basics = z.infer<typeof basics>;
/** GET appliance/api/state, without login: what the header of every page and the progress page show. No secrets. */
export const publicState = z.object({
  applianceName: z.string(),
  siteReady: z.boolean(),
  siteState: z.enum(['starting', 'ready', 'restarting', 'stopped']),
});
