/**
 * The contract between boot and base (docs/spec/boot.md): IPC messages of child_process, JSON. boot is replaced seldom and base
 * often, so only add. boot checks what it gets by hand, since it has no dependency.
 */
import { z } from 'zod';
import { processState } from './appliance-control.ts';

/** boot → base. */
export const bootToBase = z.discriminatedUnion('kind', [
  /** What boot runs, itself included; sent at the start of base and on every change. */
  z.object({
    kind: z.literal('processes'),
    /** Whether base runs as a user of its own, apart from root. */
    separated: z.boolean(),
    processes: z.array(processState).max(8),
  }),
  z.object({ kind: z.literal('stop') }),
]);
export type BootToBase = z.infer<typeof bootToBase>;

/** base → boot. */
export const baseToBoot = z.discriminatedUnion('kind', [
  /** base accepts connections. */
  z.object({ kind: z.literal('ready') }),
  /** base cannot work at all and says why in one sentence; it exits next. */
  z.object({ kind: z.literal('failed'), message: z.string() }),
  /** Somebody who may asked for the appliance to be stopped. */
  z.object({ kind: z.literal('stop') }),
]);
export type BaseToBoot = z.infer<typeof baseToBoot>;
