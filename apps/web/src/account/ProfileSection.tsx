import { useState, type SubmitEvent } from 'react';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button, Select, Stack, TextInput } from '@mantine/core';
import { LANGUAGES, type Language } from '@bascule/protocol/api/common.ts';
import { FormFailure } from '../shared/FormFailure.tsx';
import { Section } from '../shared/Section.tsx';
import { anyAnswer } from '../shared/api-client.ts';
import { useApi } from '../shared/api-context.tsx';
import { LANGUAGE_NAMES, switchLanguage } from '../shared/i18n.ts';
import { useLoggedIn, useRefreshMe } from '../shared/login-state.ts';
import { notifyDone } from '../shared/notify.ts';
import { apiPaths } from '../shared/paths.ts';
import classes from './MyAccountPage.module.css';

const DISPLAY_NAME_MAX_CHARACTERS = 100;

/** Display name and language. */
export function ProfileSection() {
  const { t, i18n } = useTranslation();
  const api = useApi();
  const me = useLoggedIn();
  const refreshMe = useRefreshMe();
  const [displayName, setDisplayName] = useState(me.displayName);
  const shownLanguage = LANGUAGES.find((known) => known === i18n.language) ?? me.language;
  const [language, setLanguage] = useState<Language>(shownLanguage);
  const save = useMutation({
    mutationFn: async () => {
      await api.patch(apiPaths.me, anyAnswer, { displayName: displayName.trim() === '' ? undefined : displayName, language });
      await switchLanguage(language);
      await refreshMe();
    },
    onSuccess: () => notifyDone(t('login:account.saved')),
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    save.mutate();
  };
  return (
    <Section title={t('login:account.title', { name: me.name })}>
      <form className={classes['panel']} onSubmit={submit}>
        <Stack gap="sm" className={classes['form']}>
          <TextInput
            label={t('login:displayName')}
            value={displayName}
            onChange={(event) => setDisplayName(event.currentTarget.value)}
            maxLength={DISPLAY_NAME_MAX_CHARACTERS}
          />
          <Select
            label={t('login:account.language')}
            data={LANGUAGES.map((known) => ({ value: known, label: LANGUAGE_NAMES[known] }))}
            value={language}
            onChange={(chosen) => setLanguage(chosen ?? shownLanguage)}
          />
          <FormFailure error={save.error} />
          <div>
            <Button type="submit" loading={save.isPending}>
              {t('shared:save')}
            </Button>
          </div>
        </Stack>
      </form>
    </Section>
  );
}
