/**
 * What a package says about itself (docs/spec/package-format.md, 2): signed as `custom.bascule` of its TUF target, and repeated as `bascule-package.json`
 * in the archive. Both must be equal. Only additions are allowed; readers ignore what they do not know.
 */
import { z } from 'zod';
import { byteCount, instantMs, line, sha256Hex } from './text.ts';

export const PACKAGE_KINDS = ['base', 'site', 'licence'] as const;
export const packageKind = z.enum(PACKAGE_KINDS);
export type PackageKind = z.infer<typeof packageKind>;

/** `MAJOR.MINOR.PATCH`, nothing else: order is that of the three numbers (see package-format/version.ts). */
export const packageVersion = z.string().regex(/^(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})$/, 'must be like 1.2.3');
/** Space-separated comparisons that must all hold, such as `>=1.2.0 <2.0.0`. */
export const versionRange = z
  .string()
  .max(100)
  .regex(/^(>=|<=|>|<|=)\d+\.\d+\.\d+( (>=|<=|>|<|=)\d+\.\d+\.\d+)*$/, 'must be like ">=1.2.0 <2.0.0"');

/** Texts for people, by language; English is always there. */
export const translated = z.object({
  en: z.string().max(20_000),
  de: z.string().max(20_000).optional(),
  nl: z.string().max(20_000).optional(),
  it: z.string().max(20_000).optional(),
});

export const licenceTerms = z.object({
  holder: line(200),
  /** The right to upgrades ends here; nothing stops working. */
  maintainedUntilMs: instantMs,
  /** null: no limit. */
  endpoints: z.number().int().positive().nullable(),
  concurrentRepresentatives: z.number().int().positive().nullable(),
  /** null: for good. An expired licence never blocks an administrator. */
  expiresAtMs: instantMs.nullable(),
});
export type LicenceTerms = z.infer<typeof licenceTerms>;

export const packageManifest = z.object({
  format: z.literal('bascule-package/1'),
  kind: packageKind,
  version: packageVersion,
  /** The commit it was built from, short: shown as the revision (B108). */
  revision: z.string().regex(/^[0-9a-z]{1,40}$/),
  releasedAtMs: instantMs,
  /** What must be installed already, each by range (B56, B57). */
  requires: z.object({ base: versionRange.optional(), site: versionRange.optional() }),
  /** The oldest version of its own kind over which it installs (B82); null for any. */
  installsOver: versionRange.nullable(),
  /** Whether client programs upgrade after it (B54, B55). */
  upgradesClients: z.boolean(),
  /** Of site packages: the oldest protocol of control links that it speaks (PROTOCOL_VERSIONS); older packages do not say. */
  oldestProtocol: z.number().int().positive().optional(),
  /** Whether the appliance restarts (B60): for base packages, base does, for less than a second. */
  restartsBox: z.boolean(),
  /** May be installed at once by the emergency lane. */
  emergency: z.boolean(),
  /** Migrations that this version knows, of its own database. */
  migrations: z.array(z.number().int()).max(1000),
  /** SHA-256 of the Node runtime archive (target `runtime/<sha256>.tar.zst`) with which it runs; null for licences. */
  runtime: sha256Hex.nullable(),
  /** What unpacking makes: both are checked while unpacking, which stops beyond them. */
  unpackedBytes: byteCount,
  fileCount: z.number().int().nonnegative().max(200_000),
  /** Links that the installer makes after unpacking (archives hold none): `node_modules/@bascule/x` → `packages/x`. */
  workspaces: z.record(z.string().regex(/^@bascule\/[a-z-]+$/), z.string().regex(/^(packages|apps)\/[a-z-]+$/)),
  /** The licence agreement; its SHA-256 is what is accepted (B62). */
  eula: z.string().max(100_000),
  notes: translated,
  licence: licenceTerms.optional(),
});
export type PackageManifest = z.infer<typeof packageManifest>;
