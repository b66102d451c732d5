import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Textarea } from '@mantine/core';
import { LOGIN_BANNER_MAX_CHARACTERS, loginBanner, type BoxSecurity } from '@bascule/protocol/api/security.ts';
import { LoginBannerText } from '../../account/LoginBanner.tsx';
import { LimitedNumberInput } from '../../shared/LimitedNumberInput.tsx';
import { Section } from '../../shared/Section.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { withinLimits } from '../../shared/number-limits.ts';
import { apiPaths } from '../../shared/paths.ts';
import { SettingsForm } from '../changes/SettingsForm.tsx';
import { WithSecurity } from './WithSecurity.tsx';
import { useRefreshSecurity } from './security-queries.ts';
import classes from '../updates/updates.module.css';

const BANNER_ROWS = 4;
const BANNER_ROWS_MOST = 16;
const ATTEMPTS = { min: 3, max: 20 };
const MINUTES = { min: 1, max: 1440 };

/** Security > Login: the banner, and when an account is locked. */
export function LoginSecurityPage() {
  const { t } = useTranslation();
  return (
    <WithSecurity>
      {(security) => (
        <>
          <Section title={t('security:banner.title')} note={t('security:banner.note')}>
            <BannerForm saved={security.banner} />
          </Section>
          <Section title={t('security:lockOut.title')} note={t('security:lockOut.note')}>
            <LockOutForm security={security} />
          </Section>
        </>
      )}
    </WithSecurity>
  );
}

function BannerForm({ saved }: { saved: string }) {
  const { t, i18n } = useTranslation();
  const api = useApi();
  const refresh = useRefreshSecurity();
  const [changed, setChanged] = useState<string>();
  const text = changed ?? saved;
  const isValid = loginBanner.safeParse(text).success;
  const save = async () => {
    await api.put(apiPaths.boxSecurityPart('banner'), anyAnswer, { text });
    await refresh();
  };
  return (
    <SettingsForm
      isChanged={text.trim() !== saved}
      isValid={isValid}
      onSave={save}
      onForget={() => setChanged(undefined)}
      saved={t('security:banner.saved')}
    >
      <Textarea
        label={t('security:banner.text')}
        description={t('security:banner.count', {
          count: text.length,
          most: LOGIN_BANNER_MAX_CHARACTERS.toLocaleString(i18n.language),
        })}
        value={text}
        onChange={(event) => setChanged(event.currentTarget.value)}
        error={isValid ? undefined : t('security:banner.wrong')}
        maxLength={LOGIN_BANNER_MAX_CHARACTERS}
        autosize
        minRows={BANNER_ROWS}
        maxRows={BANNER_ROWS_MOST}
      />
      {text.trim() !== '' && (
        <div>
          <p>{t('security:banner.preview')}</p>
          <LoginBannerText text={text.trim()} />
        </div>
      )}
    </SettingsForm>
  );
}

function LockOutForm({ security: { accounts } }: { security: BoxSecurity }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshSecurity();
  const [changes, setChanges] = useState<Partial<BoxSecurity['accounts']['lockOut']>>({});
  const lockOut = { ...accounts.lockOut, ...changes };
  const save = async () => {
    await api.put(apiPaths.boxSecurityPart('accounts'), anyAnswer, { ...accounts, lockOut });
    await refresh();
  };
  return (
    <SettingsForm
      isChanged={JSON.stringify(lockOut) !== JSON.stringify(accounts.lockOut)}
      isValid={withinLimits(lockOut.attempts, ATTEMPTS) && withinLimits(lockOut.longestMinutes, MINUTES)}
      onSave={save}
      onForget={() => setChanges({})}
      saved={t('security:lockOut.saved')}
    >
      <LimitedNumberInput
        label={t('security:lockOut.attempts')}
        limits={ATTEMPTS}
        value={lockOut.attempts}
        onChange={(attempts) => setChanges({ ...changes, attempts })}
        wrapperClass={classes['number']}
      />
      <LimitedNumberInput
        label={t('security:lockOut.longest')}
        note={t('security:lockOut.longestNote')}
        unit="min"
        limits={MINUTES}
        value={lockOut.longestMinutes}
        onChange={(longestMinutes) => setChanges({ ...changes, longestMinutes })}
        wrapperClass={classes['number']}
      />
    </SettingsForm>
  );
}
