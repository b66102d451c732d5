import { useTranslation } from 'react-i18next';
import { useLocation } from '@tanstack/react-router';
import type { Tab } from '../shared/TabNav.tsx';
import { TabbedLayout } from '../shared/TabbedLayout.tsx';
import { isStandby, useApplianceHeader, useIsRoleAwaited } from '../shared/appliance-header.ts';
import { useLiveEvents } from '../shared/live-events.ts';
import { useLoggedIn } from '../shared/login-state.ts';
import { pagePaths } from '../shared/paths.ts';
import { NotOnBackup } from './NotOnBackup.tsx';
import { FailoverBanner } from './failover/FailoverBanner.tsx';
import { loginPaths } from './login-paths.ts';
import { useSiteStatus } from './status/site-status.ts';

/** What a backup has (B151): the own account, the relationship itself, and with 'backup operations' (B35) the reports. */
const STANDBY_PATHS: readonly string[] = [
  loginPaths.account,
  loginPaths.failover,
  loginPaths.preSharedKey,
  loginPaths.management,
];

/** The interface /login: its tabs (B23; only those with content for this person, and on a backup only what a backup has) and the page. */
export function LoginLayout() {
  const { t } = useTranslation();
  useLiveEvents();
  const administrator = useLoggedIn().role === 'administrator';
  const header = useApplianceHeader();
  const isAwaited = useIsRoleAwaited();
  const standby = isStandby(header);
  const withReports = !standby || header?.backupOperations === true;
  const { pathname } = useLocation();
  const isHere =
    !standby || STANDBY_PATHS.some((path) => pathname === path) || (withReports && pathname.startsWith(loginPaths.reports));
  const isAlarmed = administrator && pathname !== loginPaths.failover && header?.rehearsal?.place !== 'inside';
  const tabs = useTabs({ administrator, standby, withReports });
  const below = useTabsBelow({ administrator, standby });
  return (
    <TabbedLayout
      interfaceName={t('shared:site')}
      neighbour={{ href: pagePaths.console, label: t('shared:console') }}
      label={{ main: t('login:tab.main'), pages: t('login:tab.pages') }}
      tabs={tabs}
      below={below}
      banner={isAlarmed && header && <FailoverBanner header={header} />}
      instead={isAwaited ? <></> : isHere || header === undefined ? undefined : <NotOnBackup header={header} />}
    />
  );
}

interface Seen {
  administrator: boolean;
  standby: boolean;
  withReports: boolean;
}

function useTabs({ administrator, standby, withReports }: Seen): Tab[] {
  const { t } = useTranslation();
  const isAwaited = useIsRoleAwaited();
  const status = useSiteStatus(!standby && !isAwaited);
  const waiting = standby ? 0 : (status.data?.jumpClients.waiting ?? 0) + (status.data?.jumpClients.conflicts ?? 0);
  const account = { to: loginPaths.account, label: t('login:tab.account') };
  const reports = withReports ? [{ to: loginPaths.reports, label: t('login:tab.reports') }] : [];
  const management = administrator ? [{ to: loginPaths.management, label: t('login:tab.management') }] : [];
  if (standby) return [account, ...reports, ...management];
  return [
    { to: loginPaths.status, label: t('login:tab.status') },
    account,
    ...(administrator ? [{ to: loginPaths.configuration, label: t('login:tab.configuration') }] : []),
    ...(administrator ? [{ to: loginPaths.jump, label: t('login:tab.jump'), badge: waiting > 0 ? waiting : undefined }] : []),
    ...(administrator ? [{ to: loginPaths.usersAndSecurity, label: t('login:tab.users') }] : []),
    ...reports,
    ...management,
  ];
}

/** The second row of tabs, by the first. */
function useTabsBelow({ administrator, standby }: Omit<Seen, 'withReports'>): Record<string, Tab[]> {
  const { t } = useTranslation();
  const belowForAll: Record<string, Tab[]> = {
    [loginPaths.status]: [{ to: loginPaths.status, label: t('login:tab.information') }],
    [loginPaths.account]: [
      { to: loginPaths.account, label: t('login:tab.account'), isExact: true },
      ...(standby ? [] : [{ to: loginPaths.downloads, label: t('login:tab.downloads') }]),
    ],
  };
  if (!administrator) return belowForAll;
  return {
    ...belowForAll,
    [loginPaths.configuration]: [{ to: loginPaths.fileStore, label: t('login:tab.fileStore') }],
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
    [loginPaths.management]: [
      { to: loginPaths.failover, label: t('login:tab.failover') },
      { to: loginPaths.preSharedKey, label: t('login:tab.preSharedKey') },
      ...(standby ? [] : [{ to: loginPaths.software, label: t('login:tab.software') }]),
      ...(standby ? [] : [{ to: loginPaths.vaultKey, label: t('login:tab.vaultKey') }]),
      ...(standby ? [] : [{ to: loginPaths.email, label: t('login:tab.email') }]),
      ...(standby ? [] : [{ to: loginPaths.licences, label: t('login:tab.licences') }]),
    ],
  };
}
