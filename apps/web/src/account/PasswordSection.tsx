import { useTranslation } from 'react-i18next';
import { Section } from '../shared/Section.tsx';
import { useLoggedIn, useRefreshMe } from '../shared/login-state.ts';
import { notifyDone } from '../shared/notify.ts';
import { NewPasswordForm } from './NewPasswordForm.tsx';
import classes from './MyAccountPage.module.css';

/** Changes the own password. */
export function PasswordSection() {
  const { t } = useTranslation();
  const me = useLoggedIn();
  const refreshMe = useRefreshMe();
  const done = () => {
    notifyDone(t('login:newPassword.done'));
    void refreshMe();
  };
  return (
    <Section title={t('login:newPassword.title')} note={t('login:newPassword.note')}>
      <div className={classes['panel']}>
        <div className={classes['form']}>
          <NewPasswordForm me={me} askCurrent onDone={done} />
        </div>
      </div>
    </Section>
  );
}
