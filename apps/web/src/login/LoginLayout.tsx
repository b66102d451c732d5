import { useTranslation } from 'react-i18next';
import type { Tab } from '../shared/TabNav.tsx';
import { TabbedLayout } from '../shared/TabbedLayout.tsx';
import { useLiveEvents } from '../shared/live-events.ts';
import { useLoggedIn } from '../shared/login-state.ts';
import { pagePaths } from '../shared/paths.ts';
import { loginPaths } from './login-paths.ts';
import { useSiteStatus } from './status/site-status.ts';

/** The interface /login: its tabs (B23; only those with content for this person) and the page. */
export function LoginLayout() {
  const { t } = useTranslation();
  useLiveEvents();
  const administrator = useLoggedIn().role === 'administrator';
  const status = useSiteStatus();
  const waiting = (status.data?.jumpClients.waiting ?? 0) + (status.data?.jumpClients.conflicts ?? 0);
  const tabs: Tab[] = [
    { to: loginPaths.status, label: t('login:tab.status') },
    { to: loginPaths.account, label: t('login:tab.account') },
    ...(administrator ? [{ to: loginPaths.jump, label: t('login:tab.jump'), badge: waiting > 0 ? waiting : undefined }] : []),
    ...(administrator ? [{ to: loginPaths.usersAndSecurity, label: t('login:tab.users') }] : []),
    { to: loginPaths.reports, label: t('login:tab.reports') },
    ...(administrator ? [{ to: loginPaths.management, label: t('login:tab.management') }] : []),
  ];
  const belowForAll: Record<string, Tab[]> = {
    [loginPaths.status]: [{ to: loginPaths.status, label: t('login:tab.information') }],
    [loginPaths.account]: [
      { to: loginPaths.account, label: t('login:tab.account'), isExact: true },
      { to: loginPaths.downloads, label: t('login:tab.downloads') },
    ],
  };
  const below: Record<string, Tab[]> = {
    ...belowForAll,
    [loginPaths.jump]: [
      { to: loginPaths.jumpClients, label: t('login:tab.jumpClients') },
      { to: loginPaths.jumpGroups, label: t('login:tab.jumpGroups') },
      { to: loginPaths.clientUpgrades, label: t('login:tab.clientUpgrades') },
      { to: loginPaths.clientSettings, label: t('login:tab.clientSettings') },
      { to: loginPaths.installers, label: t('login:tab.installers') },
      { to: loginPaths.installerTokens, label: t('login:tab.installerTokens') },
      { to: loginPaths.trust, label: t('login:tab.trust') },
    ],
    [loginPaths.usersAndSecurity]: [
      { to: loginPaths.users, label: t('login:tab.userList') },
      { to: loginPaths.securitySettings, label: t('login:tab.security') },
    ],
    [loginPaths.reports]: [
      { to: loginPaths.accessSessions, label: t('login:tab.accessSessions') },
      { to: loginPaths.audit, label: t('login:tab.audit') },
    ],
    [loginPaths.management]: [{ to: loginPaths.email, label: t('login:tab.email') }],
  };
  return (
    <TabbedLayout
      interfaceName={t('shared:site')}
      neighbour={{ href: pagePaths.console, label: t('shared:console') }}
      label={{ main: t('login:tab.main'), pages: t('login:tab.pages') }}
      tabs={tabs}
      below={administrator ? below : belowForAll}
    />
  );
}
