import { useTranslation } from 'react-i18next';
import { Paper, Title } from '@mantine/core';
import type { Me } from '@bascule/protocol/api/auth.ts';
import { ForcedPasswordForm } from './ForcedPasswordForm.tsx';
import { PasswordLoginForm } from './PasswordLoginForm.tsx';
import { SecondFactorForm } from './SecondFactorForm.tsx';
import classes from './LoginSteps.module.css';

/** The step of the login that is due: name and password, second factor, or a new password. */
export function LoginSteps({ me }: { me: Me | null }) {
  const { t } = useTranslation();
  const step = me?.state ?? 'password';
  return (
    <Paper className={classes['card']} withBorder p="lg">
      <Title order={1} mb="md">
        {t(`login:step.${step}`)}
      </Title>
      {me === null && <PasswordLoginForm />}
      {me?.state === 'second-factor' && <SecondFactorForm factors={me.secondFactors} />}
      {me?.state === 'change-password' && <ForcedPasswordForm name={me.name} />}
    </Paper>
  );
}
