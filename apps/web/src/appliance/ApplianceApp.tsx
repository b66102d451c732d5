import { createRootRoute, createRoute, createRouter, redirect, RouterProvider } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { LoginGate } from '../account/LoginGate.tsx';
import { MyAccountPage } from '../account/MyAccountPage.tsx';
import { UsersPage } from '../account/UsersPage.tsx';
import { FaultNotice } from '../shared/FaultBoundary.tsx';
import { ApplianceLayout } from './ApplianceLayout.tsx';
import { BasicsPage } from './BasicsPage.tsx';
import { appliancePaths } from './appliance-paths.ts';
import { MovePage } from './move/MovePage.tsx';
import { IpConfigurationPage } from './network/IpConfigurationPage.tsx';
import { NtpPage } from './network/NtpPage.tsx';
import { TrafficPage } from './network/TrafficPage.tsx';
import { EmailPage } from './support/EmailPage.tsx';
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
    page(appliancePaths.status, BasicsPage),
    page(appliancePaths.users, UsersPage),
    page(appliancePaths.availableUpdates, UpdatesPage),
    page(appliancePaths.upgradePlans, PlansPage),
    page(appliancePaths.updatesHistory, HistoryPage),
    page(appliancePaths.updatesSettings, UpdateSettingsPage),
    page(appliancePaths.ipConfiguration, IpConfigurationPage),
    page(appliancePaths.traffic, TrafficPage),
    page(appliancePaths.ntp, NtpPage),
    page(appliancePaths.email, EmailPage),
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
    <LoginGate interfaceName={t('appliance:title')}>
      <RouterProvider router={router} />
    </LoginGate>
  );
}
