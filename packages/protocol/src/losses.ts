/** 'Who would I lose?' (I6): a dry run of a change over the clients that are connected or were seen lately. */
import { z } from 'zod';
import { instantMs, sha256Hex } from './text.ts';
import { packageVersion } from './package-manifest.ts';

export const plannedChange = z.discriminatedUnion('kind', [
  /** Another web certificate: its names (DNS names and addresses, lower case), and the SHA-256 (hex) of its public key. */
  z.object({
    kind: z.literal('certificate'),
    names: z.array(z.string().max(255)).max(100),
    keySha256: sha256Hex,
    /** It chains to an authority that browsers and operating systems know. */
    isPubliclyTrusted: z.boolean(),
    expiresAtMs: instantMs,
  }),
  /** The appliance gets another name (or address), and optionally loses the one it has. */
  z.object({
    kind: z.literal('host-name'),
    host: z.string().max(255),
    port: z.number().int().min(1).max(65535),
    keepsOldName: z.boolean(),
  }),
  /** The site identity is rotated. */
  z.object({ kind: z.literal('identity') }),
  /** A site package with this version is installed. */
  z.object({
    kind: z.literal('package'),
    version: packageVersion,
    /** The oldest protocol of control links that it speaks, if its manifest says so. */
    oldestProtocol: z.number().int().positive().optional(),
  }),
]);
export type PlannedChange = z.infer<typeof plannedChange>;

/** `lost`: stays away until somebody acts on the machine. `trouble`: comes back, but something does not work or takes long. */
export const lossSeverity = z.enum(['lost', 'trouble']);
/** Why; translated as `losses.<code>`. */
export const LOSS_CODES = [
  /** It dials a name or address that would not lead here any more. */
  'dials-old-name',
  /** Installed before rotation was possible: it has not got the authority that a rotation can follow. */
  'cannot-follow-identity',
  /** It was away for so long that its own certificate has ended. */
  'certificate-ended',
  /** Its software has no slots: somebody has to install it anew. */
  'cannot-upgrade',
  /** It speaks no protocol version that the new software knows. */
  'protocol-too-old',
  /** Too little space for a second slot. */
  'disk-full',
  /** There are no client programs for its platform. */
  'no-program-for-platform',
  /** Not seen lately: nobody can tell. */
  'not-seen-lately',
  /** An installed console that pins the web certificate's key. */
  'console-must-confirm',
  /** Installers made earlier do not work any more (B120). */
  'installer-invalid',
] as const;
export const lossCode = z.enum(LOSS_CODES);
export type LossCode = z.infer<typeof lossCode>;

export const LOSSES_LISTED_MAX = 1000;
export const losses = z.object({
  /** How many were looked at: connected, and seen within 30 days. */
  connected: z.number().int(),
  seenLately: z.number().int(),
  /** In all, before the list was cut. */
  lost: z.number().int(),
  trouble: z.number().int(),
  /** The worst first. */
  list: z
    .array(
      z.object({
        what: z.enum(['jump-client', 'jumpoint', 'console', 'installer']),
        id: z.string(),
        name: z.string(),
        severity: lossSeverity,
        code: lossCode,
        /** What is meant: the name it dials, for example. */
        detail: z.string().max(300),
        lastSeenAtMs: instantMs.nullable(),
      }),
    )
    .max(LOSSES_LISTED_MAX),
});
export type Losses = z.infer<typeof losses>;
