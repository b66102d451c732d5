import { Outlet, useLocation } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { Button } from '@mantine/core';
import { AccountMenu } from '../shared/AccountMenu.tsx';
import { PageHeader } from '../shared/PageHeader.tsx';
import { TabNav, type Tab } from '../shared/TabNav.tsx';
import { useLiveEvents } from '../shared/live-events.ts';
import { useLoggedIn } from '../shared/login-state.ts';
import { pagePaths } from '../shared/paths.ts';
import { loginPaths } from './login-paths.ts';
import { useSiteStatus } from './status/site-status.ts';

/** Header, tabs (B23; only those with content for this person) and the page. */
export function LoginLayout() {
  const { t } = useTranslation();
  useLiveEvents();
  const secondary = useSecondaryTabs();
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
  return (
    <>
      <PageHeader interfaceName={t('shared:site')}>
        <Button component="a" href={pagePaths.console} variant="default">
          {t('shared:console')}
        </Button>
        <AccountMenu />
      </PageHeader>
      <TabNav label={t('login:tab.main')} tabs={tabs} />
      {secondary.length > 0 && <TabNav label={t('login:tab.pages')} tabs={secondary} secondary />}
      <main className="b-page">
        <Outlet />
      </main>
    </>
  );
}

function useSecondaryTabs(): Tab[] {
  const { t } = useTranslation();
  const { pathname } = useLocation();
  const administrator = useLoggedIn().role === 'administrator';
  if (!administrator) return [];
  const below: Record<string, Tab[]> = {
    [loginPaths.jump]: [
      { to: loginPaths.jumpClients, label: t('login:tab.jumpClients') },
      { to: loginPaths.jumpGroups, label: t('login:tab.jumpGroups') },
      { to: loginPaths.installerTokens, label: t('login:tab.installerTokens') },
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
  const found = Object.entries(below).find(([path]) => pathname.startsWith(path));
  return found?.[1] ?? [];
}
