/** The files that installers write and client programs read (docs/spec/client-supervisor.md, section 2). */
import { z } from 'zod';
import { clientMode, clientProgram, clientSettings } from '@bascule/protocol/client-program.ts';
import { packageVersion } from '@bascule/protocol/package-manifest.ts';

const absolutePath = z
  .string()
  .max(1024)
  .regex(/^(\/|[A-Za-z]:\\)/);

/** `installed.json`: what an installer made on this machine outside of the program folder, so that `uninstall` leaves no trace. Only additions are allowed. */
export const installedFile = z.object({
  program: clientProgram,
  scope: z.enum(['system', 'user']),
  package: z.enum(['deb', 'tar', 'sh', 'msi']),
  /** The systemd unit that the installer wrote; null without one (and for a .deb, which removes its own). */
  unit: absolutePath.nullable(),
  /** Other files or folders that the installer made: links in /usr/local/bin, for example. Each one's last part holds the word `bascule`. */
  extra: z.array(absolutePath).max(32),
  /** For `deb`: the name of the Debian package; `bascule-<program>` if absent. */
  packageName: z
    .string()
    .regex(/^[a-z0-9][a-z0-9+.-]{1,100}$/)
    .optional(),
  /** For `msi`: `{8-4-4-4-12}`. */
  productCode: z
    .string()
    .regex(/^\{[0-9A-Fa-f-]{36}\}$/)
    .optional(),
});
export type InstalledFile = z.infer<typeof installedFile>;

/** `settings.json`: what the installer, and later the site, set. Mode 0600, since a proxy's address may hold a password. */
export const settingsFile = z.object({
  /** `https://HOST[:PORT]`; null until a person gives it (generic installer). */
  site: z.string().max(300).nullable().default(null),
  mode: clientMode.default('active'),
  checkInHours: z.number().int().min(1).max(168).default(24),
  toleratesDates: z.boolean().default(false),
  /** As the site told: where else it may be. */
  addresses: clientSettings.shape.addresses,
  /** `http://[USER:PASSWORD@]HOST:PORT`; null: HTTPS_PROXY of the environment, or none. */
  proxy: z.string().max(600).nullable().default(null),
  /** The name of the Jump Item at enrolment; the host name if null. */
  name: z.string().max(128).nullable().default(null),
  /** Installed ahead of the site: it comes online when the site has this version (B97). */
  waitsForVersion: packageVersion.nullable().catch(null).default(null),
});
export type SettingsFile = z.infer<typeof settingsFile>;

/** `runtimes/<folder>/bascule-runtime.json`. `sha256`: of the signed archive `runtime/<sha256>.tar.zst`, null when it is not known. */
export const runtimeAbout = z.object({
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullable(),
});
