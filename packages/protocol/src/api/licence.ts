/** Site interface, below `/api/licences`: which licences hold, what they allow and what is in use (B208-B212). Administrators only. */
import { z } from 'zod';
import { licenceTerms } from '../package-manifest.ts';
import { byteCount, id, instantMs, line } from '../text.ts';

/** Licence packages that a site knows; one for each holder. */
export const LICENCES_MAX = 32;

/** `none`: no licence is known, and there is no limit. `grace`: all have expired, lately. `expired`: people who are no administrators open no sessions. */
export const licenceState = z.enum(['none', 'valid', 'grace', 'expired']);
export type LicenceState = z.infer<typeof licenceState>;

export const knownLicence = licenceTerms.extend({ version: z.string().max(100), isExpired: z.boolean() });

/** An endpoint without a licence, or with one. */
export const licensedEndpoint = z.object({
  id: id('jumpClient'),
  name: z.string(),
  hostName: z.string(),
  /** Since when it has a licence; null: it has none. */
  sinceMs: instantMs.nullable(),
  /** Who gave it: a person, or null when the site did by itself. */
  by: z.string().nullable(),
  /** Access sessions on it now; they go on when its licence is moved. */
  sessions: z.number().int(),
});
export type LicensedEndpoint = z.infer<typeof licensedEndpoint>;

/** GET licences */
export const licences = z.object({
  state: licenceState,
  known: z.array(knownLicence).max(LICENCES_MAX),
  /** When the last licence that holds expires, or expired; null: never, or none is known. */
  expiresAtMs: instantMs.nullable(),
  /** From here on nobody but administrators opens sessions; null: never. */
  refusedFromMs: instantMs.nullable(),
  endpoints: z.object({ limit: z.number().int().nullable(), used: byteCount, without: byteCount }),
  representatives: z.object({
    limit: z.number().int().nullable(),
    /** Who has access sessions now: each needs one. */
    active: z.array(z.object({ name: z.string(), sessions: z.number().int() })).max(500),
  }),
});
export type LicencesAnswer = z.infer<typeof licences>;

/** GET licences/endpoints: a page of those with (or without) a licence, by name. */
export const licensedEndpointsQuery = z.object({
  has: z.enum(['yes', 'no']),
  text: z.string().max(100).optional(),
  offset: z.coerce.number().int().min(0).max(1_000_000).default(0),
});
export const LICENSED_ENDPOINTS_PAGE = 50;
export const licensedEndpoints = z.object({
  endpoints: z.array(licensedEndpoint).max(LICENSED_ENDPOINTS_PAGE),
  total: byteCount,
});

/** POST licences/endpoints/move: the licence of `from` (null: a free one) goes to `to`. */
export const moveLicenceBody = z.strictObject({ from: id('jumpClient').nullable(), to: id('jumpClient') });

/** What base tells of an installed licence package (base-site.ts). */
export const toldLicence = z.object({ version: line(100), terms: licenceTerms });
export type ToldLicence = z.infer<typeof toldLicence>;
