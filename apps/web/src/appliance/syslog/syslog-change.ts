import type { SyslogDestinationChange, SyslogState } from '@bascule/protocol/api/syslog.ts';

type Destinations = SyslogState['destinations'];

/** The list as it is sent, with `changed` in the place of the one with its id, or at the end. Keys that are stored stay by not being named. */
export function withDestination(before: Destinations, changed: SyslogDestinationChange): SyslogDestinationChange[] {
  const rest = before.map(asChange);
  return changed.id === undefined ? [...rest, changed] : rest.map((each) => (each.id === changed.id ? changed : each));
}

export function withoutDestination(before: Destinations, id: string): SyslogDestinationChange[] {
  return before.filter((each) => each.id !== id).map(asChange);
}

function asChange({ id, isOn, host, port, caPem, clientCertificatePem, sources }: Destinations[number]): SyslogDestinationChange {
  return { id, isOn, host, port, caPem, clientCertificatePem, sources };
}
