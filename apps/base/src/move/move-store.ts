/** What box.db keeps of a move: a few values, each written whole. */
import { z } from 'zod';
import { moveState, movedTo } from '@bascule/protocol/api/move.ts';
import { endpoint } from '@bascule/protocol/api/failover.ts';
import type { Reader, Tx } from '@bascule/store/store.ts';

const VALUES = {
  /** Of the old box: its transfer code, by the SHA-256 of the secret. `move` and `usedBy` from the first use on: then it serves that move alone, until it ends. */
  code: z.object({
    secretSha256: z.string(),
    validUntilMs: z.number(),
    move: z.string().nullable(),
    usedBy: z.string().nullable(),
    /** SHA-256 (hex) of the key of the first `begin`: no other one is taken. */
    keySha256: z.string().nullable().default(null),
  }),
  /** Of either box: moves that are over, of which the own site is still to be told, by plan and step. `side`: what this box is in it. */
  ending: z.object({
    moves: z.array(z.object({ plan: z.string(), step: z.number(), side: z.enum(['old', 'new']) })),
  }),
  /** Of the old box, when it is a signpost. */
  moved: movedTo.extend({ atMs: z.number() }),
  /** Of the new box: the plan. `wrapped`: the code's content, wrapped by the box's account key. */
  move: z.object({
    state: moveState,
    own: endpoint,
    parts: z.array(z.string()),
    wrapped: z.base64(),
    /** The key by which the two sites know each other, wrapped likewise. */
    wrappedKey: z.base64(),
    /** The move at the old box. */
    oldMove: z.string(),
    /** Since when the step lasts. */
    stepAtMs: z.number(),
  }),
} as const;
type Name = keyof typeof VALUES;
export type MoveValue<N extends Name> = z.infer<(typeof VALUES)[N]>;

export function readMoveValue<N extends Name>(reader: Reader, name: N): MoveValue<N> | undefined {
  const row = reader.get<{ value: string }>('SELECT value FROM move_values WHERE name = ?', name);
  return row === undefined ? undefined : (VALUES[name].parse(JSON.parse(row.value)) as MoveValue<N>);
}

export function writeMoveValue<N extends Name>(tx: Tx, name: N, value: MoveValue<N>): void {
  tx.run(
    'INSERT INTO move_values (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
    name,
    JSON.stringify(value),
  );
}

export function removeMoveValue(tx: Tx, name: Name): void {
  tx.run('DELETE FROM move_values WHERE name = ?', name);
}
