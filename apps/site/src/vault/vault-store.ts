/** What site.db knows of the vault key: never the key. Rows of `settings`. */
import { z } from 'zod';
import { vaultKeyId } from '@bascule/protocol/api/vault.ts';
import { instantMs } from '@bascule/protocol/text.ts';
import type { Reader, Tx } from '@bascule/store/store.ts';
import { readSetting, writeSetting } from '../settings/settings.ts';

const rotationJournal = z.object({
  state: z.enum(['waiting-for-backup', 're-wrapping', 'dropping']),
  startedAtMs: instantMs,
  by: z.string(),
  /** The key that is replaced. */
  from: vaultKeyId,
  /** Secrets when it began. */
  secrets: z.number().int().nonnegative(),
});
/** A rotation that is under way; each state is written when what it is named after may begin. */
export type RotationJournal = z.infer<typeof rotationJournal>;

const SCHEMAS = {
  rotation: rotationJournal.nullable(),
  download: z.object({ atMs: instantMs, by: z.string(), keyId: vaultKeyId }),
  lastRotation: z.object({ atMs: instantMs, by: z.string(), secrets: z.number().int() }),
  /** How many secrets could not be read when that was last told. */
  unreadable: z.number().int().nonnegative(),
  since: z.object({ atMs: instantMs, keyId: vaultKeyId }),
};
type Values = { [Name in keyof typeof SCHEMAS]: z.infer<(typeof SCHEMAS)[Name]> };

/** Undefined when it was never written, or by software that wrote it in another way. */
export function readVaultValue<Name extends keyof Values>(reader: Reader, name: Name): Values[Name] | undefined {
  const parsed = SCHEMAS[name].safeParse(readSetting(reader, `vault.${name}`));
  return parsed.success ? (parsed.data as Values[Name]) : undefined;
}

export function writeVaultValue<Name extends keyof Values>(tx: Tx, name: Name, value: Values[Name]): void {
  writeSetting(tx, `vault.${name}`, value);
}
