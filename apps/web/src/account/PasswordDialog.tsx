import { useState, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { PasswordInput, Text } from '@mantine/core';
import { FormDialog } from '../shared/FormDialog.tsx';

interface PasswordDialogProps {
  title: string;
  consequences: string;
  confirm: string;
  children?: ReactNode;
  onSubmit: (password: string) => Promise<unknown>;
  onClose: () => void;
}

/** Asks for the own password before something about the account's protection changes. */
export function PasswordDialog({ title, consequences, confirm, children, onSubmit, onClose }: PasswordDialogProps) {
  const { t } = useTranslation();
  const [password, setPassword] = useState('');
  return (
    <FormDialog title={title} confirm={confirm} onSubmit={() => onSubmit(password)} onClose={onClose}>
      <Text>{consequences}</Text>
      {children}
      <PasswordInput
        label={t('login:newPassword.current')}
        value={password}
        onChange={(event) => setPassword(event.currentTarget.value)}
        autoComplete="current-password"
        required
        withAsterisk={false}
        data-autofocus
        visibilityToggleButtonProps={{ 'aria-label': t('login:showPassword') }}
      />
    </FormDialog>
  );
}
