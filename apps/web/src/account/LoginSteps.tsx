import { useTranslation } from 'react-i18next';
import { Anchor, Paper, Text, Title } from '@mantine/core';
import type { Me } from '@bascule/protocol/api/auth.ts';
import { useApi } from '../shared/api-context.tsx';
import { pagePaths } from '../shared/paths.ts';
import { LoggedInContext } from '../shared/login-state.ts';
import { ForcedPasswordForm } from './ForcedPasswordForm.tsx';
import { LoginBanner } from './LoginBanner.tsx';
import { PasswordLoginForm } from './PasswordLoginForm.tsx';
import { RequiredFactor } from './RequiredFactor.tsx';
import { SecondFactorForm } from './SecondFactorForm.tsx';
import classes from './LoginSteps.module.css';

/** The step of the login that is due: name and password, second factor, a new password, or a second factor that must be set up. */
export function LoginSteps({ me }: { me: Me | null }) {
  const { t } = useTranslation();
  const door = useApi().prefix === '/api' ? 'site' : 'appliance';
  return (
    <>
      {me === null && <LoginBanner />}
      <Paper className={classes['card']} data-door={door} data-wide={me?.state === 'set-up-factor'} withBorder p="lg">
        <Title order={1} mb="md">
          {me === null ? t(`login:door.${door}.title`) : t(`login:step.${me.state}`)}
        </Title>
        {me === null && <PasswordDoor door={door} />}
        {me?.state === 'second-factor' && <SecondFactorForm factors={me.secondFactors} />}
        {me?.state === 'change-password' && <ForcedPasswordForm me={me} />}
        {me?.state === 'set-up-factor' && (
          <LoggedInContext value={me}>
            <RequiredFactor />
          </LoggedInContext>
        )}
      </Paper>
    </>
  );
}

/** Name and password, with what this login is for and the way to the other one: site and appliance have accounts of their own. */
function PasswordDoor({ door }: { door: 'site' | 'appliance' }) {
  const { t } = useTranslation();
  return (
    <>
      <Text mb="md" c="dimmed">
        {t(`login:door.${door}.purpose`)}
      </Text>
      <PasswordLoginForm />
      <Text mt="md" ta="center">
        <Anchor href={door === 'site' ? pagePaths.appliance : pagePaths.login} inherit>
          {t(`login:door.${door}.other`)}
        </Anchor>
      </Text>
    </>
  );
}
