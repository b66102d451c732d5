import type { Mailer } from '@bascule/mail/mailer.ts';
import { changeMailSettings, type ChangeMailSettings } from '@bascule/protocol/api/updates.ts';
import { settingsLine, type BoxSettingsPart } from '../box-settings/box-settings.ts';

/** Support > E-mail, as it is exported and imported. */
export function mailSettingsPart(mailer: Mailer): BoxSettingsPart<ChangeMailSettings> {
  return {
    name: 'mail',
    schema: changeMailSettings,
    read: (withSecrets) => mailer.exported(withSecrets),
    describe(value) {
      const { password: now = '', ...before } = mailer.exported(true);
      const { password, ...after } = value;
      const isSame = text(before) === text(after) && (password === undefined || password === now);
      if (isSame) return [];
      return [
        after.isOn
          ? settingsLine('mail', 'mail', { host: after.host }, `Sends mail by ${after.host}.`)
          : settingsLine('mail', 'mail-off', {}, 'Sends no mail.'),
      ];
    },
    write(tx, value, isLeftOut) {
      if (!isLeftOut('mail')) mailer.import(tx, value);
    },
    applied: () => undefined,
  };
}

/** Fields in one order, so that settings can be compared. */
function text(settings: object): string {
  return JSON.stringify(Object.entries(settings).toSorted(([one], [other]) => (one < other ? -1 : 1)));
}
