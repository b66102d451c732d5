import type { ClientBundleAbout, ClientMode, UpgradeReport } from '@bascule/protocol/client-program.ts';
import { PROTOCOL_VERSIONS, type FromClient, type HeldSession } from '@bascule/protocol/control-link.ts';
import { describeSoftware } from './client-software.ts';
import { readFacts } from './facts.ts';
import type { ClientOptions } from './options.ts';

export interface HelloFacts {
  about: ClientBundleAbout;
  options: ClientOptions;
  instance: string;
  mode: ClientMode;
  upgradable: boolean;
  isTrial: boolean;
  /** PEM of the site identity that it trusts. */
  authority: string;
  sessions: HeldSession[];
  upgrade: UpgradeReport | undefined;
  record: string | undefined;
}

/** What a client says of itself when it comes (wire 3.4). A candidate takes no part in tests of the standby. */
export function clientHello({ about, options, sessions, upgrade, record, instance, ...state }: HelloFacts): FromClient {
  return {
    kind: 'hello',
    versions: [...PROTOCOL_VERSIONS],
    instance,
    facts: readFacts(about.version),
    sessions,
    software: describeSoftware(about, options, state),
    ...(upgrade && { upgrade }),
    ...(record !== undefined && { record }),
    ...(!state.isTrial && { rehearses: true }),
  };
}
