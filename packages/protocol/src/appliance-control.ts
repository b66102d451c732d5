/**
 * How `npm start` and `npm run appliance` talk to a running appliance: JSON lines over `<home>/run/control/control.sock`, which base keeps (0600, its
 * directory 0700). One request per connection, one answer line.
 */
import { z } from 'zod';
import { planKind } from './api/plans.ts';
import { restorePassword } from './api/restore.ts';
import { id, line, sha256Hex } from './text.ts';

export const controlRequest = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('status') }),
  /** Answers when base and site are ready, or with an error after `timeoutMs`. */
  z.object({ kind: z.literal('wait-ready'), timeoutMs: z.number().int().positive().max(600_000) }),
  z.object({ kind: z.literal('reset-password'), interface: z.enum(['appliance', 'login']), user: z.string().max(100) }),
  /** Removes every second factor of the user, and ends their login sessions. */
  z.object({ kind: z.literal('reset-second-factor'), interface: z.enum(['appliance', 'login']), user: z.string().max(100) }),
  /** A single-use installer token, approved at once, valid for ten minutes: for the client on this machine. */
  z.object({ kind: z.literal('local-client-token') }),
  z.object({ kind: z.literal('stop') }),
  /** The system clock is right although a later time was seen: the later one was wrong. */
  z.object({ kind: z.literal('accept-time') }),
  /** What /appliance > Updates shows, for the command line. */
  z.object({ kind: z.literal('updates') }),
  z.object({ kind: z.literal('updates-check') }),
  /** `target`: a TUF target, or `base` / `site` for the newest installable of that kind. `acceptEula`: the name of who accepts. */
  z.object({
    kind: z.literal('updates-install'),
    target: line(200),
    overrule: z.array(line(60)).max(40),
    acceptEula: line(200).optional(),
  }),
  /** A `.bascule-update` file that base's user can read. `rootSha256`: trust its root, whose fingerprint somebody compared, when none is confirmed yet. */
  z.object({ kind: z.literal('updates-import'), file: z.string().max(4096), rootSha256: sha256Hex.optional() }),
  z.object({ kind: z.literal('updates-roll-back'), package: z.enum(['base', 'site']) }),
  z.object({ kind: z.literal('updates-download-key') }),
  /** One installation, whether it runs or has ended, and its log. */
  z.object({ kind: z.literal('updates-installation'), id: z.string().max(100) }),
  /** What /appliance > Updates > Upgrade plans shows. */
  z.object({ kind: z.literal('plans') }),
  z.object({ kind: z.literal('plan-make'), planKind }),
  z.object({ kind: z.literal('plan-show'), id: id('upgradePlan') }),
  /** Starts a plan, or goes on with it: to the next person's turn, or (`through`) as far as everything is green. */
  z.object({
    kind: z.literal('plan-run'),
    id: id('upgradePlan'),
    through: z.boolean(),
    overrule: z.array(line(60)).max(40).default([]),
  }),
  z.object({ kind: z.literal('plan-confirm'), id: id('upgradePlan'), number: z.number().int().positive() }),
  z.object({ kind: z.literal('plan-order'), id: id('upgradePlan'), order: z.enum(['pause', 'cancel', 'give-up']) }),
  /** What /appliance > Support > Restore shows. */
  z.object({ kind: z.literal('restore') }),
  /** Looks into a backup that base's user can read; answers when that is done, with what `restore` answers. */
  z.object({ kind: z.literal('restore-look'), file: z.string().startsWith('/').max(2048), password: restorePassword.optional() }),
  z.object({
    kind: z.literal('restore-start'),
    file: z.string().startsWith('/').max(2048),
    password: restorePassword.optional(),
    withBoxSettings: z.boolean().default(false),
    breakPair: z.boolean().default(false),
    confirm: line(100),
  }),
  /** Puts back the state before the last restore. */
  z.object({ kind: z.literal('restore-undo'), confirm: line(100) }),
  /** One restore, whether it runs or has ended, and its log. */
  z.object({ kind: z.literal('restore-one'), id: z.string().max(64) }),
]);
export type ControlRequest = z.infer<typeof controlRequest>;

export const processState = z.object({
  name: z.enum(['boot', 'helper', 'base', 'site', 'relay']),
  pid: z.number().int(),
  user: z.string(),
  startedAtMs: z.number().int(),
  restarts: z.number().int(),
  state: z.enum(['starting', 'ready', 'failed', 'waiting']),
});
export type ProcessState = z.infer<typeof processState>;

export const controlAnswer = z.object({
  ok: z.boolean(),
  error: z.string().optional(),
  status: z
    .object({
      address: z.string(),
      version: z.string(),
      ready: z.boolean(),
      processes: z.array(processState),
    })
    .optional(),
  /** Once, on the start that made them: one-time passwords of `admin`. */
  firstPasswords: z.object({ appliance: z.string().optional(), login: z.string().optional() }).optional(),
  /** The answer to `updates`, in the shape of the API (api/updates.ts updatesState). */
  updates: z.unknown().optional(),
  /** The id of the installation that was started. */
  installation: z.string().optional(),
  downloadKey: z.string().optional(),
  /** The answer to `updates-installation`: the installation in the shape of the API (api/updates.ts installation), and its log. */
  installationState: z.unknown().optional(),
  installationLog: z.string().optional(),
  /** The answer to `plans`, in the shape of the API (api/plans.ts plansState), and of the other plan verbs: the plan. */
  plans: z.unknown().optional(),
  plan: z.unknown().optional(),
  /** The answer to `restore` and `restore-look` (api/restore.ts restoreState), and to `restore-one` (restoration); the id of a restore that was started. */
  restore: z.unknown().optional(),
  restoration: z.string().optional(),
  restorationLog: z.string().optional(),
  password: z.string().optional(),
  token: z.string().optional(),
});
export type ControlAnswer = z.infer<typeof controlAnswer>;
