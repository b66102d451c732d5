import { ApiTokensSection } from './ApiTokensSection.tsx';
import { PasskeysSection } from './PasskeysSection.tsx';
import { LoginSessionsSection } from './LoginSessionsSection.tsx';
import { PasswordSection } from './PasswordSection.tsx';
import { ProfileSection } from './ProfileSection.tsx';
import { TotpSection } from './TotpSection.tsx';
import classes from './MyAccountPage.module.css';

/** The own account: name and language, password, second factor, login sessions, API tokens. */
export function MyAccountPage() {
  return (
    <>
      <div className={classes['columns']}>
        <div>
          <ProfileSection />
          <PasswordSection />
        </div>
        <div>
          <TotpSection />
          <PasskeysSection />
        </div>
      </div>
      <LoginSessionsSection />
      <ApiTokensSection />
    </>
  );
}
