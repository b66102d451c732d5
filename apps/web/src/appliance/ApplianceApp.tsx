import { createRootRoute, createRoute, createRouter, Outlet, redirect, RouterProvider } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { Button } from '@mantine/core';
import { LoginGate } from '../account/LoginGate.tsx';
import { MyAccountPage } from '../account/MyAccountPage.tsx';
import { UsersPage } from '../account/UsersPage.tsx';
import { AccountMenu } from '../shared/AccountMenu.tsx';
import { FaultNotice } from '../shared/FaultBoundary.tsx';
import { PageHeader } from '../shared/PageHeader.tsx';
import { TabNav } from '../shared/TabNav.tsx';
import { pagePaths } from '../shared/paths.ts';
import { BasicsPage } from './BasicsPage.tsx';

/** Addresses inside /appliance. */
const paths = { status: '/status', users: '/users', account: '/account' } as const;

const root = createRootRoute({ component: ApplianceLayout, notFoundComponent: BasicsPage });
const page = (path: string, component: () => React.JSX.Element) => createRoute({ getParentRoute: () => root, path, component });
const start = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: paths.status, replace: true });
  },
});
const router = createRouter({
  routeTree: root.addChildren([
    start,
    page(paths.status, BasicsPage),
    page(paths.users, UsersPage),
    page(paths.account, MyAccountPage),
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

function ApplianceLayout() {
  const { t } = useTranslation();
  const tabs = [
    { to: paths.status, label: t('appliance:tab.status') },
    { to: paths.users, label: t('appliance:tab.users') },
    { to: paths.account, label: t('appliance:tab.account') },
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
      <main className="b-page">
        <Outlet />
      </main>
    </>
  );
}
