import { useId, useState, type ReactNode, type SubmitEvent } from 'react';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button, PasswordInput, Stack } from '@mantine/core';
import { PASSWORD_MAX_CHARACTERS, PASSWORD_MIN_CHARACTERS, type Me } from '@bascule/protocol/api/auth.ts';
import { FormFailure } from '../shared/FormFailure.tsx';
import { anyAnswer } from '../shared/api-client.ts';
import { useApi } from '../shared/api-context.tsx';
import { apiPaths } from '../shared/paths.ts';
import { passwordRules } from './password-rules.ts';
import classes from './NewPasswordForm.module.css';

interface NewPasswordFormProps {
  /** Whose. */
  me: Me;
  /** Right after a login with a one-time password the server does not ask for the current one again. */
  askCurrent: boolean;
  autoFocus?: boolean;
  onDone: () => void;
}

/** A new password, twice; the rules are visible before and while typing. */
export function NewPasswordForm({ me, askCurrent, autoFocus = false, onDone }: NewPasswordFormProps) {
  const { t } = useTranslation();
  const api = useApi();
  const rulesId = useId();
  const [current, setCurrent] = useState('');
  const [next, setNext] = useState('');
  const [repeated, setRepeated] = useState('');
  const change = useMutation({
    mutationFn: () => api.post(apiPaths.password, anyAnswer, askCurrent ? { current, next } : { next }),
    onSuccess: () => {
      setCurrent('');
      setNext('');
      setRepeated('');
      onDone();
    },
  });
  const { name, passwordMinCharacters = PASSWORD_MIN_CHARACTERS } = me;
  const rules = passwordRules(name, next, repeated, passwordMinCharacters);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (Object.values(rules).every(Boolean)) change.mutate();
  };
  const shared = {
    required: true,
    withAsterisk: false,
    maxLength: PASSWORD_MAX_CHARACTERS,
    visibilityToggleButtonProps: { 'aria-label': t('login:showPassword') },
  };
  return (
    <form onSubmit={submit}>
      {/* Password managers store the new password under this name. */}
      <input type="text" name="username" autoComplete="username" value={name} readOnly hidden />
      <Stack gap="sm">
        {askCurrent && (
          <PasswordInput
            {...shared}
            label={t('login:newPassword.current')}
            value={current}
            onChange={(event) => setCurrent(event.currentTarget.value)}
            autoComplete="current-password"
          />
        )}
        <PasswordInput
          {...shared}
          label={t('login:newPassword.next')}
          value={next}
          onChange={(event) => setNext(event.currentTarget.value)}
          autoComplete="new-password"
          autoFocus={autoFocus}
          aria-describedby={rulesId}
        />
        <PasswordInput
          {...shared}
          label={t('login:newPassword.repeat')}
          value={repeated}
          onChange={(event) => setRepeated(event.currentTarget.value)}
          autoComplete="new-password"
        />
        <ul id={rulesId} className={classes['rules']}>
          <Rule kept={rules.longEnough}>{t('login:newPassword.ruleLength', { count: passwordMinCharacters })}</Rule>
          <Rule kept={rules.withoutName}>{t('login:newPassword.ruleName')}</Rule>
          <Rule kept={rules.same}>{t('login:newPassword.ruleSame')}</Rule>
        </ul>
        <FormFailure error={change.error} />
        <Button size="sm" type="submit" loading={change.isPending} disabled={!Object.values(rules).every(Boolean)}>
          {t('login:newPassword.set')}
        </Button>
      </Stack>
    </form>
  );
}

function Rule({ kept, children }: { kept: boolean; children: ReactNode }) {
  return (
    <li data-kept={kept}>
      <span>{kept ? '✓' : '·'}</span>
      <span>{children}</span>
    </li>
  );
}
