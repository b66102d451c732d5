import type { SettingsLine } from '@bascule/protocol/api/box-settings.ts';
import { settingsLine, type BoxSettingsPart } from '../box-settings/box-settings.ts';
import { securitySettings, type SecuritySettings } from './security-documents.ts';
import { isStricter } from './security-rules.ts';
import type { Security } from './security.ts';

/** Security of the box, as it is exported and imported. */
export function securitySettingsPart(security: Security): BoxSettingsPart<SecuritySettings> {
  return {
    name: 'security',
    schema: securitySettings,
    read: () => security.settings(),
    describe: (value) => lines(security.settings(), value),
    write(tx, { tls, banner, accounts, networks }, isLeftOut) {
      security.write(tx, {
        ...(!isLeftOut('tls') && { tls }),
        ...(!isLeftOut('banner') && { banner }),
        ...(!isLeftOut('accounts') && { accounts }),
        ...(!isLeftOut('networks') && { networks }),
      });
    },
    applied: () => undefined,
    before: () => security.before(),
    mightCut(value, isLeftOut) {
      const now = security.settings();
      const isTlsStricter = !isLeftOut('tls') && isStricter(now.tls, value.tls);
      const isNetworkOther = !isLeftOut('networks') && value.networks.length > 0 && now.networks.join() !== value.networks.join();
      return isTlsStricter || isNetworkOther;
    },
  };
}

function lines(now: SecuritySettings, { tls, banner, accounts, networks }: SecuritySettings): SettingsLine[] {
  const isOther = (one: unknown, other: unknown): boolean => JSON.stringify(one) !== JSON.stringify(other);
  const list = networks.join(', ');
  return [
    ...(isOther(tlsText(now.tls), tlsText(tls))
      ? [settingsLine('tls', 'tls', { version: tls.minVersion }, `TLS with browsers: at least ${tls.minVersion}.`)]
      : []),
    ...(now.banner === banner ? [] : [settingsLine('banner', 'banner', {}, 'Changes the login banner.')]),
    ...(isOther(sorted(now.accounts), sorted(accounts))
      ? [settingsLine('accounts', 'accounts', {}, 'Changes lock-out, password rules and second factor of administrators.')]
      : []),
    ...(isOther(now.networks, networks)
      ? [
          list === ''
            ? settingsLine('networks', 'networks-all', {}, '/appliance answers from everywhere.')
            : settingsLine('networks', 'networks', { networks: list.slice(0, 400) }, `/appliance answers from ${list} alone.`),
        ]
      : []),
  ];
}

const tlsText = ({ minVersion, ciphers12, ciphers13 }: SecuritySettings['tls']): string[] => [
  minVersion,
  ...ciphers12,
  ...ciphers13,
];

function sorted({ lockOut, passwords, secondFactorRequired }: SecuritySettings['accounts']): unknown[] {
  const { attempts, longestMinutes } = lockOut;
  const { minCharacters, history, expiryDays } = passwords;
  return [attempts, longestMinutes, minCharacters, history, expiryDays, secondFactorRequired];
}
