import { useTranslation } from 'react-i18next';
import { Button, Group, PasswordInput, Text } from '@mantine/core';

/** What becomes of the stored password; absent: it stays. An empty value removes it. */
export interface PasswordChange {
  value: string;
}

interface MailPasswordFieldProps {
  hasPassword: boolean;
  value: PasswordChange | undefined;
  onChange: (change: PasswordChange | undefined) => void;
}

const PASSWORD_MAX_CHARACTERS = 500;

/** A stored password is said to be there and never given out; it is replaced or removed. */
export function MailPasswordField({ hasPassword, value, onChange }: MailPasswordFieldProps) {
  const { t } = useTranslation();
  if (value?.value === '' && hasPassword)
    return (
      <Group gap="sm">
        <Text>{t('mail:password.willBeRemoved')}</Text>
        <Button variant="default" onClick={() => onChange(undefined)}>
          {t('mail:password.keep')}
        </Button>
      </Group>
    );
  return (
    <Group gap="sm" align="end" wrap="nowrap">
      <PasswordInput
        style={{ flex: 1 }}
        label={t('mail:password.label')}
        description={hasPassword ? t('mail:password.stored') : t('mail:password.none')}
        placeholder={hasPassword ? '••••••••' : ''}
        value={value?.value ?? ''}
        onChange={(event) => onChange(event.currentTarget.value === '' ? undefined : { value: event.currentTarget.value })}
        maxLength={PASSWORD_MAX_CHARACTERS}
        autoComplete="new-password"
        visibilityToggleButtonProps={{ 'aria-label': t('login:showPassword') }}
      />
      {hasPassword && (
        <Button variant="default" mb={3} onClick={() => onChange({ value: '' })}>
          {t('mail:password.remove')}
        </Button>
      )}
    </Group>
  );
}
