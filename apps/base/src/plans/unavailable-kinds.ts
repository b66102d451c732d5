/** Why a kind of plan cannot be made now, as far as that is known without asking anybody; making one looks closer. */
import type { PairRole } from '@bascule/protocol/api/failover.ts';
import type { Plan, PlanKind, PlansState } from '@bascule/protocol/api/plans.ts';

type Reason = NonNullable<PlansState['unavailable'][PlanKind]>;

export function unavailableKinds(facts: {
  pair: { role: PairRole; peer: { name: string } | null } | undefined;
  underWay: Plan | undefined;
  hasPackages: boolean;
}): PlansState['unavailable'] {
  const { pair, underWay, hasPackages } = facts;
  if (underWay !== undefined) {
    const reason = { code: 'under-way', text: `A plan is under way on ${underWay.runner}.`, params: { name: underWay.runner } };
    return { single: reason, synchronous: reason, asynchronous: reason, rolling: reason };
  }
  const peer = pair?.peer ?? null;
  const single = singleReason(peer, hasPackages);
  const both = pairReason(pair?.role, peer);
  return {
    ...(single && { single }),
    ...(both && { synchronous: both, asynchronous: both, rolling: both }),
  };
}

function singleReason(peer: { name: string } | null, hasPackages: boolean): Reason | undefined {
  if (peer !== null)
    return {
      code: 'in-a-pair',
      text: `This appliance and ${peer.name} are a pair: both are upgraded by one plan.`,
      params: { name: peer.name },
    };
  return hasPackages ? undefined : { code: 'nothing', text: 'There is nothing newer to install.', params: {} };
}

function pairReason(role: PairRole | undefined, peer: { name: string } | null): Reason | undefined {
  if (peer === null) return { code: 'no-peer', text: 'There is no failover relationship.', params: {} };
  if (role !== 'primary')
    return { code: 'not-here', text: `Plans are made on the primary: ${peer.name}.`, params: { name: peer.name } };
  return undefined;
}
