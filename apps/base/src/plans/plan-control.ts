import type { ControlAnswer, ControlRequest } from '@bascule/protocol/appliance-control.ts';
import { SYSTEM, type Context } from '@bascule/store/store.ts';
import type { Plans } from './plans.ts';

type Verb = Extract<ControlRequest['kind'], `plan${string}`>;
export type PlanControlVerbs = {
  [K in Verb]: (request: Extract<ControlRequest, { kind: K }>) => ControlAnswer | Promise<ControlAnswer>;
};

/** Whoever reached the control socket: base's own user or root, on this machine. */
const COMMAND_LINE: Context = { ...SYSTEM, actor: { ...SYSTEM.actor, name: 'command line on the appliance' } };

/** What the command line asks of upgrade plans over the control socket. What they throw as `AppError` is the answer's error. */
export function planControlVerbs(plans: Plans): PlanControlVerbs {
  const shown = (id: string): ControlAnswer => ({ ok: true, plan: plans.plan(id) });
  return {
    plans: () => ({ ok: true, plans: plans.state() }),
    'plan-make': async ({ planKind }) => ({ ok: true, plan: await plans.make(COMMAND_LINE, planKind) }),
    'plan-show': ({ id }) => shown(id),
    'plan-run': async ({ id, through, overrule }) => {
      await plans.run(COMMAND_LINE, id, { through, overrule });
      return shown(id);
    },
    'plan-confirm': ({ id, number }) => {
      plans.confirm(COMMAND_LINE, id, number);
      return shown(id);
    },
    'plan-order': ({ id, order }) => {
      if (order === 'pause') plans.pause(COMMAND_LINE, id);
      else if (order === 'cancel') plans.cancel(COMMAND_LINE, id);
      else plans.giveUp(COMMAND_LINE, id);
      return shown(id);
    },
  };
}
