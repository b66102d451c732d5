import { Outlet, useLocation } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { Button } from '@mantine/core';
import { AccountMenu } from '../shared/AccountMenu.tsx';
import { PageHeader } from '../shared/PageHeader.tsx';
import { TabNav, type Tab } from '../shared/TabNav.tsx';
import { pagePaths } from '../shared/paths.ts';
import { appliancePaths } from './appliance-paths.ts';

/** Header, tabs (B4; those that have content) and the page. */
export function ApplianceLayout() {
  const { t } = useTranslation();
  const secondary = useSecondaryTabs();
  const tabs: Tab[] = [
    { to: appliancePaths.status, label: t('appliance:tab.status') },
    { to: appliancePaths.users, label: t('appliance:tab.users') },
    { to: appliancePaths.networking, label: t('appliance:tab.networking') },
    { to: appliancePaths.updates, label: t('appliance:tab.updates') },
    { to: appliancePaths.support, label: t('appliance:tab.support') },
    { to: appliancePaths.account, label: t('appliance:tab.account') },
  ];
  return (
    <>
      <PageHeader interfaceName={t('appliance:title')}>
        <Button component="a" href={pagePaths.login} variant="default">
          {t('shared:site')}
        </Button>
        <AccountMenu />
      </PageHeader>
      <TabNav label={t('appliance:tab.main')} tabs={tabs} />
      {secondary.length > 0 && <TabNav label={t('appliance:tab.pages')} tabs={secondary} secondary />}
      <main className="b-page">
        <Outlet />
      </main>
    </>
  );
}

function useSecondaryTabs(): Tab[] {
  const { t } = useTranslation();
  const { pathname } = useLocation();
  const below: Record<string, Tab[]> = {
    [appliancePaths.networking]: [{ to: appliancePaths.ntp, label: t('appliance:tab.ntp') }],
    [appliancePaths.updates]: [
      { to: appliancePaths.availableUpdates, label: t('appliance:tab.updates') },
      { to: appliancePaths.updatesHistory, label: t('appliance:tab.updatesHistory') },
      { to: appliancePaths.updatesSettings, label: t('appliance:tab.updatesSettings') },
    ],
    [appliancePaths.support]: [{ to: appliancePaths.email, label: t('appliance:tab.email') }],
  };
  const found = Object.entries(below).find(([path]) => pathname.startsWith(path));
  return found?.[1] ?? [];
}
