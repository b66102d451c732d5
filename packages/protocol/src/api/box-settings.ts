/** The box's own settings, as they are exported into a backup and imported from one. */
import { z } from 'zod';

/** Names the form of what is exported; a later one is another name. */
export const BOX_SETTINGS_FORMAT = 'bascule-box-settings/1';
export const BOX_SETTINGS_MAX_BYTES = 4 * 1024 * 1024;

export const boxSettingsFile = z.object({
  format: z.literal(BOX_SETTINGS_FORMAT),
  appliance: z.string().max(200),
  baseVersion: z.string().max(100),
  madeAtMs: z.number().int().nonnegative(),
  /** Whether passwords and private keys are inside. */
  withSecrets: z.boolean(),
  /** By name of the part. */
  parts: z.record(z.string().max(40), z.unknown()),
});
export type BoxSettingsFile = z.infer<typeof boxSettingsFile>;

/** One line of what an import would change. */
export const settingsLine = z.object({
  /** Names the line in its part, so that it can be left out: `address 192.0.2.10`. */
  key: z.string().max(200),
  /** What kind of change, with `params`: for programs, and for pages that say it in other words. */
  code: z.string().max(60),
  params: z.record(z.string(), z.union([z.string(), z.number()])),
  /** The same in English. */
  text: z.string().max(1000),
  /** Why it cannot be here (a network port that this machine does not have): it is left out. Null: it fits. */
  unfit: z.string().max(500).nullable(),
});
export type SettingsLine = z.infer<typeof settingsLine>;

export const settingsPreview = z.object({
  appliance: z.string(),
  baseVersion: z.string(),
  madeAtMs: z.number(),
  withSecrets: z.boolean(),
  parts: z
    .array(
      z.object({
        name: z.string(),
        lines: z.array(settingsLine).max(500),
        /** It might cut off whoever imports it: it is undone unless it is confirmed. */
        mightCut: z.boolean(),
      }),
    )
    .max(50),
  /** Parts that this software does not know, or cannot read; they are left out. */
  unknown: z.array(z.string()).max(50),
});
export type SettingsPreview = z.infer<typeof settingsPreview>;
