import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Checkbox } from '@mantine/core';
import { PASSWORD_MIN_CHARACTERS } from '@bascule/protocol/api/auth.ts';
import { PASSWORD_HISTORY_MOST, PASSWORD_LENGTH_MOST, type AccountRules } from '@bascule/protocol/api/security.ts';
import { LimitedNumberInput } from '../../shared/LimitedNumberInput.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { withinLimits } from '../../shared/number-limits.ts';
import { apiPaths } from '../../shared/paths.ts';
import { SettingsForm } from '../changes/SettingsForm.tsx';
import { useRefreshSecurity } from './security-queries.ts';
import classes from '../updates/updates.module.css';

const LENGTH = { min: PASSWORD_MIN_CHARACTERS, max: PASSWORD_LENGTH_MOST };
const HISTORY = { min: 0, max: PASSWORD_HISTORY_MOST };
const DAYS = { min: 1, max: 730 };
const USUAL_DAYS = 365;

/** How long passwords are, how often they come back, and how old they become. */
export function PasswordRulesForm({ accounts }: { accounts: AccountRules }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshSecurity();
  const [changes, setChanges] = useState<Partial<AccountRules['passwords']>>({});
  const passwords = { ...accounts.passwords, ...changes };
  const { minCharacters, history, expiryDays } = passwords;
  const isValid =
    withinLimits(minCharacters, LENGTH) &&
    withinLimits(history, HISTORY) &&
    (expiryDays === null || withinLimits(expiryDays, DAYS));
  const save = async () => {
    await api.put(apiPaths.boxSecurityPart('accounts'), anyAnswer, { ...accounts, passwords });
    await refresh();
  };
  return (
    <SettingsForm
      isChanged={JSON.stringify(passwords) !== JSON.stringify(accounts.passwords)}
      isValid={isValid}
      onSave={save}
      onForget={() => setChanges({})}
      saved={t('security:passwords.saved')}
    >
      <LimitedNumberInput
        label={t('security:passwords.length')}
        note={t('security:passwords.lengthNote')}
        limits={LENGTH}
        value={minCharacters}
        onChange={(value) => setChanges({ ...changes, minCharacters: value })}
        wrapperClass={classes['number']}
      />
      <LimitedNumberInput
        label={t('security:passwords.history')}
        note={t('security:passwords.historyNote')}
        limits={HISTORY}
        value={history}
        onChange={(value) => setChanges({ ...changes, history: value })}
        wrapperClass={classes['number']}
      />
      <Checkbox
        label={t('security:passwords.expires')}
        description={t('security:passwords.expiresNote')}
        checked={expiryDays !== null}
        onChange={(event) => setChanges({ ...changes, expiryDays: event.currentTarget.checked ? USUAL_DAYS : null })}
      />
      {expiryDays !== null && (
        <LimitedNumberInput
          label={t('security:passwords.days')}
          limits={DAYS}
          value={expiryDays}
          onChange={(value) => setChanges({ ...changes, expiryDays: value })}
          wrapperClass={classes['number']}
        />
      )}
    </SettingsForm>
  );
}
