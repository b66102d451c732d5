import { createRootRoute, createRoute, createRouter, redirect, RouterProvider } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { LoginGate } from '../account/LoginGate.tsx';
import { MyAccountPage } from '../account/MyAccountPage.tsx';
import { FaultNotice } from '../shared/FaultBoundary.tsx';
import { ApplianceLayout } from './ApplianceLayout.tsx';
import { BasicsPage } from './BasicsPage.tsx';
import { appliancePaths } from './appliance-paths.ts';
import { CertificatesPage } from './certificates/CertificatesPage.tsx';
import { HealthPage } from './health/HealthPage.tsx';
import { MovePage } from './move/MovePage.tsx';
import { IpConfigurationPage } from './network/IpConfigurationPage.tsx';
import { NtpPage } from './network/NtpPage.tsx';
import { HostPage } from './network/HostPage.tsx';
import { StaticRoutesPage } from './network/StaticRoutesPage.tsx';
import { TrafficPage } from './network/TrafficPage.tsx';
import { AdministratorsPage } from './security/AdministratorsPage.tsx';
import { LoginSecurityPage } from './security/LoginSecurityPage.tsx';
import { TlsPage } from './security/TlsPage.tsx';
import { ErasureNotice } from './reset/ErasureNotice.tsx';
import { StoragePage } from './storage/StoragePage.tsx';
import { BundlePage } from './support/BundlePage.tsx';
import { RestorePage } from './restore/RestorePage.tsx';
import { EmailPage } from './support/EmailPage.tsx';
import { UtilitiesPage } from './support/UtilitiesPage.tsx';
import { SyslogPage } from './syslog/SyslogPage.tsx';
import { PlansPage } from './plans/PlansPage.tsx';
import { HistoryPage } from './updates/HistoryPage.tsx';
import { UpdateSettingsPage } from './updates/UpdateSettingsPage.tsx';
import { UpdatesPage } from './updates/UpdatesPage.tsx';

const root = createRootRoute({ component: ApplianceLayout, notFoundComponent: BasicsPage });
const page = (path: string, component: () => React.JSX.Element) => createRoute({ getParentRoute: () => root, path, component });
const leadTo = (path: string, to: string) =>
  createRoute({
    getParentRoute: () => root,
    path,
    beforeLoad: () => {
      throw redirect({ to, replace: true });
    },
  });
const router = createRouter({
  routeTree: root.addChildren([
    leadTo('/', appliancePaths.status),
    leadTo(appliancePaths.updates, appliancePaths.availableUpdates),
    leadTo(appliancePaths.networking, appliancePaths.ipConfiguration),
    leadTo(appliancePaths.support, appliancePaths.email),
    leadTo(appliancePaths.status, appliancePaths.basics),
    page(appliancePaths.basics, BasicsPage),
    page(appliancePaths.health, HealthPage),
    page(appliancePaths.storage, StoragePage),
    page(appliancePaths.syslog, SyslogPage),
    page(appliancePaths.utilities, UtilitiesPage),
    page(appliancePaths.bundle, BundlePage),
    page(appliancePaths.users, AdministratorsPage),
    page(appliancePaths.availableUpdates, UpdatesPage),
    page(appliancePaths.upgradePlans, PlansPage),
    page(appliancePaths.updatesHistory, HistoryPage),
    page(appliancePaths.updatesSettings, UpdateSettingsPage),
    page(appliancePaths.ipConfiguration, IpConfigurationPage),
    page(appliancePaths.traffic, TrafficPage),
    page(appliancePaths.staticRoutes, StaticRoutesPage),
    page(appliancePaths.host, HostPage),
    page(appliancePaths.ntp, NtpPage),
    leadTo(appliancePaths.security, appliancePaths.tls),
    page(appliancePaths.certificates, CertificatesPage),
    page(appliancePaths.tls, TlsPage),
    page(appliancePaths.loginSecurity, LoginSecurityPage),
    page(appliancePaths.email, EmailPage),
    page(appliancePaths.restore, RestorePage),
    page(appliancePaths.move, MovePage),
    page(appliancePaths.account, MyAccountPage),
  ]),
  basepath: '/appliance',
  defaultErrorComponent: ({ error }) => <FaultNotice fault={error} />,
});

/** The interface /appliance: the machine. It goes on while the site is away. */
export function ApplianceApp() {
  const { t } = useTranslation();
  return (
    <>
      <ErasureNotice />
      <LoginGate interfaceName={t('appliance:title')}>
        <RouterProvider router={router} />
      </LoginGate>
    </>
  );
}
