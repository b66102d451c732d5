/** How a person wants terminals to look: kept in this browser, for all sessions. */
import { z } from 'zod';

export const FONT_SIZE_MIN = 9;
export const FONT_SIZE_MAX = 28;
const FONT_SIZE_DEFAULT = 14;
/** Lines above the screen that a terminal keeps. */
export const SCROLLBACK_LINES = 5000;
const STORAGE_KEY = 'bascule.terminal';

/** The families to choose from; the first of each is named in the menu. */
export const FONT_FAMILIES = {
  jetbrains: "'JetBrains Mono', ui-monospace, monospace",
  system: "ui-monospace, 'Cascadia Mono', 'SF Mono', 'DejaVu Sans Mono', monospace",
  courier: "'Courier New', 'Liberation Mono', monospace",
} as const;
export type FontFamily = keyof typeof FONT_FAMILIES;

const preferencesSchema = z.object({
  fontSize: z.number().int().min(FONT_SIZE_MIN).max(FONT_SIZE_MAX).catch(FONT_SIZE_DEFAULT),
  fontFamily: z.enum(['jetbrains', 'system', 'courier']).catch('jetbrains'),
  /** Lets a screen reader follow what is shown; costs speed. */
  screenReader: z.boolean().catch(false),
});
export type TerminalPreferences = z.infer<typeof preferencesSchema>;

type KeyValueStorage = Pick<Storage, 'getItem' | 'setItem'>;

/** What is kept, with the default for whatever is missing or unusable. */
export function readPreferences(storage: KeyValueStorage): TerminalPreferences {
  let kept: unknown = {};
  try {
    kept = JSON.parse(storage.getItem(STORAGE_KEY) ?? '{}');
  } catch {
    // Storage may be closed to the page, or hold something else: the defaults are as good.
  }
  const parsed = preferencesSchema.safeParse(kept);
  return parsed.success ? parsed.data : preferencesSchema.parse({});
}

export function writePreferences(storage: KeyValueStorage, preferences: TerminalPreferences): void {
  try {
    storage.setItem(STORAGE_KEY, JSON.stringify(preferences));
  } catch {
    // A full or closed storage costs only that the choice is not remembered.
  }
}

/** A size within the limits. */
export function changedFontSize(preferences: TerminalPreferences, by: number): TerminalPreferences {
  return { ...preferences, fontSize: Math.min(Math.max(preferences.fontSize + by, FONT_SIZE_MIN), FONT_SIZE_MAX) };
}
