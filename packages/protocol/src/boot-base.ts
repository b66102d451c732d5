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
  /** To a base that was started with `--prepare` and said `prepared`: the other one is gone; take the state and the port. */
  z.object({ kind: z.literal('activate') }),
  /** The answer to `try-base`: the candidate did not get so far as `prepared`; nothing was changed and the old base runs on. */
  z.object({ kind: z.literal('candidate-failed'), message: z.string() }),
  /** The answer to `try-base`: the candidate is prepared; base is told `stop` next. */
  z.object({ kind: z.literal('candidate-prepared') }),
]);
export type BootToBase = z.infer<typeof bootToBase>;

/** base → boot. */
export const baseToBoot = z.discriminatedUnion('kind', [
  /** base accepts connections. */
  z.object({ kind: z.literal('ready') }),
  /** base cannot work at all and says why in one sentence; it exits next. */
  z.object({ kind: z.literal('failed'), message: z.string() }),
  /** With `--prepare`: everything is loaded, nothing is opened for writing. */
  z.object({ kind: z.literal('prepared') }),
  /**
   * software/base/trial.json names a version: start it beside this base with `--prepare`; when it is prepared, stop this base and activate it. From then on
   * the version is on trial (docs/spec/boot.md, 6).
   */
  z.object({ kind: z.literal('try-base') }),
  /** Somebody who may asked for the appliance to be stopped. */
  z.object({ kind: z.literal('stop') }),
]);
export type BaseToBoot = z.infer<typeof baseToBoot>;
