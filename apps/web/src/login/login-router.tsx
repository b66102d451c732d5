import { createRootRoute, createRoute, createRouter, redirect } from '@tanstack/react-router';
import { MyAccountPage } from '../account/MyAccountPage.tsx';
import { UsersPage } from '../account/UsersPage.tsx';
import { FaultNotice } from '../shared/FaultBoundary.tsx';
import { useLoggedIn } from '../shared/login-state.ts';
import { LoginLayout } from './LoginLayout.tsx';
import { NothingHere } from './NothingHere.tsx';
import { ClientSettingsPage } from './fleet/ClientSettingsPage.tsx';
import { ClientUpgradesPage } from './fleet/ClientUpgradesPage.tsx';
import { ConsoleLoginPage } from './console-login/ConsoleLoginPage.tsx';
import { completeCode } from './console-login/console-code.ts';
import { FailoverPage } from './failover/FailoverPage.tsx';
import { FileStorePage } from './file-store/FileStorePage.tsx';
import { DownloadsPage } from './installers/DownloadsPage.tsx';
import { InstallersPage } from './installers/InstallersPage.tsx';
import { InstallerWizardPage } from './installers/InstallerWizardPage.tsx';
import { JumpClientsPage } from './jump/JumpClientsPage.tsx';
import { JumpGroupsPage } from './jump/JumpGroupsPage.tsx';
import { InstallerTokensPage } from './jump/InstallerTokensPage.tsx';
import { LicencesPage } from './licences/LicencesPage.tsx';
import { loginPaths } from './login-paths.ts';
import { EmailConfigurationPage } from './management/EmailConfigurationPage.tsx';
import { AccessSessionPage } from './reports/AccessSessionPage.tsx';
import { AccessSessionsPage } from './reports/AccessSessionsPage.tsx';
import { AuditPage } from './reports/AuditPage.tsx';
import { accessSessionSearch } from './reports/access-session-search.ts';
import { PreSharedKeyPage } from './security/PreSharedKeyPage.tsx';
import { SecuritySettingsPage } from './security/SecuritySettingsPage.tsx';
import { SoftwarePage } from './software/SoftwarePage.tsx';
import { StatusPage } from './status/StatusPage.tsx';
import { TrustPage } from './trust/TrustPage.tsx';
import { VaultKeyPage } from './vault/VaultKeyPage.tsx';

const root = createRootRoute({ component: LoginLayout, notFoundComponent: NothingHere });
const leadTo = (path: string, to: string) =>
  createRoute({
    getParentRoute: () => root,
    path,
    beforeLoad: () => {
      throw redirect({ to, replace: true });
    },
  });
const page = (path: string, component: () => React.JSX.Element) => createRoute({ getParentRoute: () => root, path, component });
/** For a page that only administrators have; the server gives others the same answer as for what does not exist. */
const administratorPage = (path: string, Page: () => React.JSX.Element) =>
  page(path, () => (useLoggedIn().role === 'administrator' ? <Page /> : <NothingHere />));

export const accessSessionsRoute = createRoute({
  getParentRoute: () => root,
  path: loginPaths.accessSessions,
  component: AccessSessionsRoutePage,
  validateSearch: accessSessionSearch,
});
function AccessSessionsRoutePage() {
  const search = accessSessionsRoute.useSearch();
  const navigate = accessSessionsRoute.useNavigate();
  return <AccessSessionsPage search={search} onSearch={(next) => void navigate({ search: next, replace: true })} />;
}
const newInstallerRoute = createRoute({
  getParentRoute: () => root,
  path: loginPaths.newInstaller,
  component: NewInstallerRoutePage,
  validateSearch: ({ version }: Record<string, unknown>): { version?: 'next' } => (version === 'next' ? { version } : {}),
});
function NewInstallerRoutePage() {
  const { version = 'current' } = newInstallerRoute.useSearch();
  return useLoggedIn().role === 'administrator' ? <InstallerWizardPage version={version} /> : <NothingHere />;
}
const consoleLoginRoute = createRoute({
  getParentRoute: () => root,
  path: loginPaths.consoleLogin,
  component: ConsoleLoginRoutePage,
  validateSearch: ({ code }: Record<string, unknown>): { code?: string } => {
    const whole = typeof code === 'string' ? completeCode(code) : undefined;
    return whole === undefined ? {} : { code: whole };
  },
});
function ConsoleLoginRoutePage() {
  const { code } = consoleLoginRoute.useSearch();
  const navigate = consoleLoginRoute.useNavigate();
  return <ConsoleLoginPage code={code} onCode={(typed) => void navigate({ search: { code: typed } })} />;
}
export const accessSessionRoute = createRoute({
  getParentRoute: () => root,
  path: loginPaths.accessSession,
  component: AccessSessionRoutePage,
});
function AccessSessionRoutePage() {
  const { sessionId } = accessSessionRoute.useParams();
  return <AccessSessionPage key={sessionId} sessionId={sessionId} />;
}

const routes = [
  leadTo('/', loginPaths.status),
  leadTo(loginPaths.configuration, loginPaths.fileStore),
  leadTo(loginPaths.jump, loginPaths.jumpClients),
  leadTo(loginPaths.usersAndSecurity, loginPaths.users),
  leadTo(loginPaths.reports, loginPaths.accessSessions),
  leadTo(loginPaths.management, loginPaths.failover),
  page(loginPaths.status, StatusPage),
  page(loginPaths.account, MyAccountPage),
  page(loginPaths.downloads, DownloadsPage),
  administratorPage(loginPaths.jumpClients, JumpClientsPage),
  administratorPage(loginPaths.jumpGroups, JumpGroupsPage),
  administratorPage(loginPaths.clientUpgrades, ClientUpgradesPage),
  administratorPage(loginPaths.clientSettings, ClientSettingsPage),
  administratorPage(loginPaths.installers, InstallersPage),
  newInstallerRoute,
  consoleLoginRoute,
  administratorPage(loginPaths.installerTokens, InstallerTokensPage),
  administratorPage(loginPaths.trust, TrustPage),
  administratorPage(loginPaths.users, UsersPage),
  administratorPage(loginPaths.securitySettings, SecuritySettingsPage),
  accessSessionsRoute,
  accessSessionRoute,
  administratorPage(loginPaths.audit, AuditPage),
  administratorPage(loginPaths.email, EmailConfigurationPage),
  administratorPage(loginPaths.failover, FailoverPage),
  administratorPage(loginPaths.software, SoftwarePage),
  administratorPage(loginPaths.vaultKey, VaultKeyPage),
  administratorPage(loginPaths.fileStore, FileStorePage),
  administratorPage(loginPaths.licences, LicencesPage),
  administratorPage(loginPaths.preSharedKey, PreSharedKeyPage),
];

export const loginRouter = createRouter({
  routeTree: root.addChildren(routes),
  basepath: '/login',
  defaultPreload: false,
  defaultErrorComponent: ({ error }) => <FaultNotice fault={error} />,
});
