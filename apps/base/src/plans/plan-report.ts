/** The report with which a plan ends: what was before and after, and what it cost; signed by the site identity. */
import { z } from 'zod';
import { planReport, type PlanReport } from '@bascule/protocol/api/plans.ts';
import type { PlanRecord } from './plan-contract.ts';
import { answered, orderNumber, softwareOf, type PlanPorts } from './plan-ports.ts';
import { servingParty } from './step-measure.ts';
import { DONE, refused, type StepProcedure } from './step-work.ts';

const signed = z.object({ signature: z.string().max(2_000), certificate: z.string().max(20_000) });

export const reportProcedure: StepProcedure = {
  action: async (ports, task) => {
    const after = await sidesAfter(ports, task.record);
    const { sessions } = await answered(ports, await servingParty(ports, after.length > 1), { kind: 'sessions' });
    const report = reportOf({
      plan: task.plan,
      record: task.record,
      after,
      clients: sessions?.clients ?? { total: 0, current: 0, pending: 0, absent: 0, failed: 0, other: 0 },
      withoutServiceMs: ports.withoutServiceMs(),
      serviceAsked: ports.serviceAsked(),
      nowMs: ports.now(),
    });
    const statement = JSON.stringify(report);
    const { outcome, result, error } = await ports.pairDo(task.plan, orderNumber(task, 'sign'), { kind: 'sign', statement });
    const signature = signed.safeParse(result);
    if (outcome !== 'done' || !signature.success)
      return refused('not-signed', `The site did not sign the report: ${error ?? outcome}.`, { reason: error ?? outcome });
    return { ...DONE, report: { statement, ...signature.data } };
  },
};

/** What a report says; a pure function of what was measured. */
export function reportOf(facts: {
  plan: string;
  record: PlanRecord;
  after: PlanReport['after'];
  clients: PlanReport['clients'];
  withoutServiceMs: number | null;
  serviceAsked: PlanReport['serviceAsked'];
  nowMs: number;
}): PlanReport {
  const { plan, record, after, clients, withoutServiceMs, serviceAsked, nowMs } = facts;
  const { measured } = record;
  return planReport.parse({
    format: 'bascule-plan-report/1',
    plan,
    kind: record.kind,
    startedAtMs: record.startedAtMs ?? record.createdAtMs,
    endedAtMs: nowMs,
    by: record.by,
    before: record.sides,
    after,
    withoutServiceMs,
    serviceAsked,
    sessions: { before: measured.sessionsAtStart ?? 0, ended: measured.sessionsEnded },
    lagAtSwitch: measured.lagAtSwitch,
    clients,
    testSession: measured.testSession ?? { outcome: 'no-client', session: null },
    steps: record.core.steps
      .filter(({ kind }) => kind !== 'report')
      .map(({ number, kind, on, state, startedAtMs, endedAtMs }) => ({
        number,
        kind,
        on,
        state,
        seconds: startedAtMs === null || endedAtMs === null ? 0 : Math.max(0, endedAtMs - startedAtMs) / 1000,
      })),
  });
}

async function sidesAfter(ports: PlanPorts, { sides }: PlanRecord): Promise<PlanReport['after']> {
  return await Promise.all(
    sides.map(async ({ appliance, role }, index) => {
      const software = await softwareOf(ports, index === 0 ? 'self' : 'peer');
      return {
        appliance,
        role: software.role ?? role,
        base: software.base,
        site: software.site,
        targetBase: null,
        targetSite: null,
      };
    }),
  );
}
