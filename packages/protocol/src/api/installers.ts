/** Site interface: the mass deployment wizard and its installers (B92-B99, B118-B120), below `/api/installers`. */
import { z } from 'zod';
import { clientMode } from '../client-program.ts';
import { byteCount, id, instantMs, line, optionalLine } from '../text.ts';

export const INSTALLER_FORMATS = ['sh', 'deb', 'tar.gz', 'msi'] as const;
export const installerFormat = z.enum(INSTALLER_FORMATS);
export type InstallerFormat = z.infer<typeof installerFormat>;

/** POST installers (administrators): an installer token with what goes with it. */
export const createInstallerBody = z.object({
  program: z.enum(['jump-client', 'jumpoint']),
  name: line(64),
  validForHours: z
    .number()
    .int()
    .min(1)
    .max(24 * 365),
  uses: z.number().int().min(1).max(100_000),
  groupId: id('jumpGroup').nullable(),
  approveEach: z.boolean(),
  mode: clientMode,
  /** Given to every client that enrols with it. */
  tags: z.array(line(40)).max(20),
  comment: optionalLine(500),
  /** The files hold no key: it is typed at the first start, for machine images. */
  isGeneric: z.boolean(),
  /** `next`: the programs of a site package that is here and not yet installed; such clients wait until the appliance is upgraded (B94-B97). */
  version: z.enum(['current', 'next']),
});
export const installerFile = z.object({
  format: installerFormat,
  name: z.string(),
  /** null until it is made (on its first download), or when it cannot be made here. */
  bytes: byteCount.nullable(),
  /** Why it cannot be made here, as an error code and a sentence; null when it can. */
  problem: z.object({ code: z.string(), message: z.string() }).nullable(),
});
export const installer = z.object({
  id: id('installer'),
  program: z.enum(['jump-client', 'jumpoint']),
  name: z.string(),
  tokenId: id('installerToken'),
  groupName: z.string().nullable(),
  mode: clientMode,
  tags: z.array(z.string()),
  isGeneric: z.boolean(),
  version: z.string(),
  createdBy: z.string(),
  createdAtMs: instantMs,
  validUntilMs: instantMs,
  uses: z.number().int(),
  usesLeft: z.number().int(),
  /** `outdated`: made by an earlier version of the site (B120); its files stay downloadable for removal (B99). `early`: for a version that is not installed yet. */
  state: z.enum(['valid', 'early', 'expired', 'used-up', 'revoked', 'outdated']),
  files: z.array(installerFile),
});
export type Installer = z.infer<typeof installer>;
/** GET installers */
export const installers = z.object({
  installers: z.array(installer),
  current: z.string(),
  next: z.string().nullable(),
  /** Of fleet settings: what a new installer begins with. */
  defaultMode: clientMode,
});
/** The key is shown once; the files of an installer that is not generic carry it. */
export const createdInstaller = z.object({ installer, key: z.string(), installCommand: z.string() });
/** POST installers/:id/revoke. GET installers/:id/files/:format (a file; administrators). */

/** GET downloads (every user; B29): consoles and other software of this site. GET downloads/:name. */
export const download = z.object({
  name: z.string(),
  program: z.enum(['console', 'jump-client', 'jumpoint']),
  version: z.string(),
  /** `earlier` ones serve to remove what they installed (B99). */
  age: z.enum(['current', 'next', 'earlier']),
  format: installerFormat,
  platform: z.enum(['linux-x64', 'win32-x64']),
  bytes: byteCount.nullable(),
  problem: z.object({ code: z.string(), message: z.string() }).nullable(),
});
export const downloads = z.object({ downloads: z.array(download) });
