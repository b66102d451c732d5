import i18next from 'i18next';
import type { RestoreRemark } from '@bascule/protocol/api/restore.ts';

/** In the person's language: by code among the remarks of restores, then among all errors; else the appliance's English sentence. */
export function remarkText({ code, message, params }: RestoreRemark): string {
  const key = [`restore:remark.${code}`, `errors:${code}`].find((one) => i18next.exists(one));
  return key === undefined ? message : i18next.t(key, params);
}
