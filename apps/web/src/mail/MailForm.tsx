import { useState, type SubmitEvent } from 'react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Alert, Button, Checkbox, Fieldset, Group, Select, Stack, Textarea, TextInput } from '@mantine/core';
import type { MailSettings, MailState } from '@bascule/protocol/api/updates.ts';
import { FormFailure } from '../shared/FormFailure.tsx';
import { anyAnswer } from '../shared/api-client.ts';
import { useApi } from '../shared/api-context.tsx';
import { LANGUAGE_NAMES } from '../shared/i18n.ts';
import { notifyDone } from '../shared/notify.ts';
import { MailPasswordField, type PasswordChange } from './MailPasswordField.tsx';
import { MailServerFields } from './MailServerFields.tsx';
import { mailPath, type MailOwner } from './mail-owner.ts';
import { MailTest } from './MailTest.tsx';
import { readRecipients, wrongFields, type MailField } from './mail-draft.ts';
import classes from './mail.module.css';

const ADDRESS_MAX_CHARACTERS = 254;

/** The settings of mail; the password is never shown, only that there is one. */
export function MailForm({ owner, saved }: { owner: MailOwner; saved: MailState['settings'] }) {
  const { t } = useTranslation();
  const api = useApi();
  const client = useQueryClient();
  const { hasPassword, ...savedSettings } = saved;
  const [changes, setChanges] = useState<Partial<MailSettings>>({});
  const [recipients, setRecipients] = useState<string>();
  const [password, setPassword] = useState<PasswordChange>();
  const draft: MailSettings = { ...savedSettings, ...changes };
  const forget = () => {
    setChanges({});
    setRecipients(undefined);
    setPassword(undefined);
  };
  const save = useMutation({
    mutationFn: async () => {
      await api.put(mailPath(owner), anyAnswer, { ...draft, ...(password !== undefined && { password: password.value }) });
      await client.invalidateQueries({ queryKey: ['mail', owner] });
    },
    onSuccess: () => {
      forget();
      notifyDone(t('mail:saved'));
    },
  });
  const change = (part: Partial<MailSettings>) => setChanges({ ...changes, ...part });
  const wrong = wrongFields(draft);
  const isChanged = JSON.stringify(draft) !== JSON.stringify(savedSettings) || password !== undefined;
  const faultOf = (field: MailField) => (isChanged && wrong.has(field) ? t(`mail:wrong.${field}`) : undefined);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (wrong.size === 0) save.mutate();
  };
  return (
    <form onSubmit={submit} className={classes['form']}>
      <Stack gap="md">
        <Checkbox
          label={t('mail:isOn')}
          checked={draft.isOn}
          onChange={(event) => change({ isOn: event.currentTarget.checked })}
        />
        <MailServerFields draft={draft} onChange={change} faultOf={faultOf} />
        <Fieldset legend={t('mail:account')}>
          <TextInput
            label={t('mail:accountName')}
            description={t('mail:accountNote')}
            value={draft.account}
            onChange={(event) => change({ account: event.currentTarget.value })}
            autoComplete="off"
            mb="sm"
          />
          <MailPasswordField hasPassword={hasPassword} value={password} onChange={setPassword} />
        </Fieldset>
        <Fieldset legend={t('mail:message')}>
          <TextInput
            label={t('mail:from')}
            error={faultOf('from')}
            value={draft.from}
            onChange={(event) => change({ from: event.currentTarget.value })}
            maxLength={ADDRESS_MAX_CHARACTERS}
            autoComplete="off"
            mb="sm"
          />
          <Textarea
            label={t('mail:recipients')}
            description={t('mail:recipientsNote')}
            error={faultOf('recipients')}
            value={recipients ?? draft.recipients.join('\n')}
            onChange={(event) => {
              setRecipients(event.currentTarget.value);
              change({ recipients: readRecipients(event.currentTarget.value) });
            }}
            autosize
            minRows={2}
            maxRows={8}
            mb="sm"
          />
          <Select
            label={t('mail:language')}
            data={Object.entries(LANGUAGE_NAMES).map(([value, label]) => ({ value, label }))}
            value={draft.language}
            onChange={(value) => change({ language: (value ?? 'en') as MailSettings['language'] })}
            className={classes['short'] ?? ''}
          />
        </Fieldset>
        {draft.isOn && draft.security === 'none' && (
          <Alert color="red" role="alert" py="xs">
            {t('mail:inClear')}
          </Alert>
        )}
        <FormFailure error={save.error} />
        <Group className={classes['actions']}>
          <Button type="submit" loading={save.isPending} disabled={!isChanged || wrong.size > 0}>
            {t('shared:save')}
          </Button>
          <Button variant="default" disabled={!isChanged} onClick={forget}>
            {t('shared:undo')}
          </Button>
          <MailTest owner={owner} canTest={saved.isOn && !isChanged} />
        </Group>
      </Stack>
    </form>
  );
}
