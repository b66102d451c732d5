import { useQuery } from '@tanstack/react-query';
import { loginBannerAnswer } from '@bascule/protocol/api/security.ts';
import { useApi } from '../shared/api-context.tsx';
import { apiPaths } from '../shared/paths.ts';
import classes from './LoginSteps.module.css';

/** What the administrators of the appliance have people read before they log in (/appliance > Security > Login). */
export function LoginBanner() {
  const api = useApi();
  const { data } = useQuery({
    queryKey: ['login-banner'],
    queryFn: ({ signal }) => api.get(apiPaths.loginBanner, loginBannerAnswer, {}, signal),
  });
  if (data === undefined || data.text === '') return null;
  return (
    <div className={classes['aboveCard']}>
      <LoginBannerText text={data.text} />
    </div>
  );
}

/** Plain text: its lines are kept, nothing in it is markup. */
export function LoginBannerText({ text }: { text: string }) {
  return <div className={classes['banner']}>{text}</div>;
}
