import type { SettingsLine } from '@bascule/protocol/api/box-settings.ts';

/** A line of what an import would change; `text` is the English of `code` with `params`; `unfit`: why it cannot be here. */
export function settingsLine(
  key: string,
  code: string,
  params: SettingsLine['params'],
  text: string,
  unfit: string | null = null,
): SettingsLine {
  return { key, code, params, text, unfit };
}
