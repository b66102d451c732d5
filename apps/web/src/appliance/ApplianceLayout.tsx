import { useTranslation } from 'react-i18next';
import type { Tab } from '../shared/TabNav.tsx';
import { TabbedLayout } from '../shared/TabbedLayout.tsx';
import { pagePaths } from '../shared/paths.ts';
import { appliancePaths } from './appliance-paths.ts';
import { PendingChangeNotice } from './changes/PendingChangeNotice.tsx';
import { TrafficBanner } from './network/TrafficBanner.tsx';

/** The interface /appliance: its tabs (B4; those that have content) and the page. */
export function ApplianceLayout() {
  const { t } = useTranslation();
  const tabs: Tab[] = [
    { to: appliancePaths.status, label: t('appliance:tab.status') },
    { to: appliancePaths.users, label: t('appliance:tab.users') },
    { to: appliancePaths.networking, label: t('appliance:tab.networking') },
    { to: appliancePaths.storage, label: t('storage:tab') },
    { to: appliancePaths.security, label: t('security:tab.security') },
    { to: appliancePaths.updates, label: t('appliance:tab.updates') },
    { to: appliancePaths.support, label: t('appliance:tab.support') },
    { to: appliancePaths.account, label: t('appliance:tab.account') },
  ];
  const below: Record<string, Tab[]> = {
    [appliancePaths.status]: [
      { to: appliancePaths.basics, label: t('appliance:basics.title') },
      { to: appliancePaths.health, label: t('health:tab') },
    ],
    [appliancePaths.networking]: [
      { to: appliancePaths.ipConfiguration, label: t('network:tab.addresses') },
      { to: appliancePaths.traffic, label: t('network:tab.traffic') },
      { to: appliancePaths.staticRoutes, label: t('network:tab.routes') },
      { to: appliancePaths.host, label: t('network:tab.host') },
      { to: appliancePaths.ntp, label: t('appliance:tab.ntp') },
    ],
    [appliancePaths.security]: [
      { to: appliancePaths.certificates, label: t('certificates:tab') },
      { to: appliancePaths.tls, label: t('security:tab.tls') },
      { to: appliancePaths.loginSecurity, label: t('security:tab.login') },
      { to: appliancePaths.syslog, label: t('syslog:tab') },
    ],
    [appliancePaths.updates]: [
      { to: appliancePaths.availableUpdates, label: t('appliance:tab.updates') },
      { to: appliancePaths.upgradePlans, label: t('appliance:tab.upgradePlans') },
      { to: appliancePaths.updatesHistory, label: t('appliance:tab.updatesHistory') },
      { to: appliancePaths.updatesSettings, label: t('appliance:tab.updatesSettings') },
    ],
    [appliancePaths.support]: [
      { to: appliancePaths.email, label: t('appliance:tab.email') },
      { to: appliancePaths.restore, label: t('restore:tab') },
      { to: appliancePaths.utilities, label: t('support:utilitiesTab') },
      { to: appliancePaths.bundle, label: t('support:bundleTab') },
      { to: appliancePaths.move, label: t('move:tab') },
    ],
  };
  return (
    <TabbedLayout
      interfaceName={t('appliance:title')}
      neighbour={{ href: pagePaths.login, label: t('shared:site') }}
      label={{ main: t('appliance:tab.main'), pages: t('appliance:tab.pages') }}
      tabs={tabs}
      below={below}
      banner={
        <>
          <PendingChangeNotice />
          <TrafficBanner />
        </>
      }
    />
  );
}
