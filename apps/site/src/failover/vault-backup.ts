import type { VaultBackup } from '../vault/vault.ts';
import type { Pair } from './pair.ts';

/** What the backup of `pair` is known to have of the vault keys and of the change log; `none` while there is no relationship. */
export function vaultBackupOf(pair: Pair | undefined): VaultBackup {
  if (pair === undefined) return { kind: 'none' };
  const { records, watch, gate } = pair.parts;
  // A plan that keeps the sides apart for an upgrade brings them together again.
  if (records.peer === undefined || !records.trustsPeer) return { kind: 'none' };
  const { name } = records.peer;
  const { state } = watch;
  if (!records.isActive || !watch.isReachable || state === undefined || state.side.role !== 'backup')
    return { kind: 'away', name };
  if (state.ringSha256 === undefined) return { kind: 'too-old', name };
  return { kind: 'here', name, ring: state.ringSha256, ackedSeq: gate.ackedSeq };
}
