import { trafficChange, type TrafficChange } from '@bascule/protocol/api/network.ts';
import { settingsLine, type BoxSettingsPart } from '../box-settings/box-settings.ts';
import type { TrafficRecords } from './traffic-settings.ts';

/** Networking > Traffic, as it is exported and imported. `hooks`: those that root placed here. */
export function trafficSettingsPart(records: TrafficRecords, hooks: () => Promise<string[]>): BoxSettingsPart<TrafficChange> {
  return {
    name: 'traffic',
    schema: trafficChange,
    read: (withSecrets) => records.exported(withSecrets),
    async describe(value) {
      const { dnsSecret: now, ...before } = records.exported(true);
      const { dnsSecret, ...after } = value;
      const isSameSecret = dnsSecret === undefined || dnsSecret === now;
      if (isSameSecret && JSON.stringify(sorted(before)) === JSON.stringify(sorted(after))) return [];
      const { way, natHook } = value;
      const isMissing = way === 'nat' && natHook !== null && !(await hooks()).includes(natHook);
      const unfit = isMissing ? `This machine has no hook ${natHook}.` : null;
      return [settingsLine('traffic', 'traffic', { way }, `Brings the traffic to the primary by: ${way}.`, unfit)];
    },
    write(tx, value, isLeftOut) {
      if (!isLeftOut('traffic')) records.import(tx, value);
    },
    applied: () => undefined,
  };
}

const sorted = ({ way, dns, natHook }: Omit<TrafficChange, 'dnsSecret'>): unknown[] => [
  way,
  natHook,
  dns && Object.entries(dns).toSorted(([one], [other]) => (one < other ? -1 : 1)),
];
