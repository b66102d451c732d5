import { syslogChange, type SyslogChange, type SyslogDestinationChange } from '@bascule/protocol/api/syslog.ts';
import { settingsLine, type BoxSettingsPart } from '../box-settings/box-settings.ts';
import type { SyslogSettings } from './syslog-settings.ts';

/** Security > Syslog, as it is exported and imported. `applied`: the servers are others now. */
export function syslogSettingsPart(settings: SyslogSettings, applied: () => Promise<void>): BoxSettingsPart<SyslogChange> {
  return {
    name: 'syslog',
    schema: syslogChange,
    read: (withSecrets) => ({ destinations: settings.exported(withSecrets) }),
    describe({ destinations }) {
      const here = settings.exported(true).map(comparable);
      return destinations
        .filter((destination) => !here.includes(comparable(destination)))
        .map((destination) => {
          const { host, port } = destination;
          const isKeyMissing = destination.clientCertificatePem !== null && !settings.hasKeyFor(destination);
          const unfit = isKeyMissing ? 'The key of its client certificate is not in this file.' : null;
          return settingsLine(
            keyOf(destination),
            'syslog-server',
            { host, port },
            `Sends to the syslog server ${host}:${port}.`,
            unfit,
          );
        });
    },
    write(tx, { destinations }, isLeftOut) {
      const wanted = destinations.filter((destination) => !isLeftOut(keyOf(destination)) && settings.hasKeyFor(destination));
      settings.import(tx, wanted);
    },
    applied,
  };
}

const keyOf = ({ host, port }: SyslogDestinationChange): string => `server ${host}:${port}`;

/** Without its id, which says nothing on another box; the key of a client certificate follows from that. */
function comparable({ isOn, host, port, caPem, clientCertificatePem, sources }: SyslogDestinationChange): string {
  return JSON.stringify([isOn, host, port, caPem, clientCertificatePem, sources.toSorted()]);
}
