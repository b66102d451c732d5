import { useMemo } from 'react';
import { Link, useNavigate } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { Alert, Button } from '@mantine/core';
import { type Installer } from '@bascule/protocol/api/installers.ts';
import { useConfirm } from '../../shared/ConfirmDialog.tsx';
import { DataTable, type Column } from '../../shared/DataTable.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { RowMenu, type RowAction } from '../../shared/RowMenu.tsx';
import { Section, StateMark } from '../../shared/Section.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { formatCount, formatMinute } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';
import { loginPaths } from '../login-paths.ts';
import { DownloadsTable } from './DownloadsTable.tsx';
import { InstallerFiles } from './InstallerFiles.tsx';
import { outdatedOf } from './installer-draft.ts';
import { useDownloads, useInstallers, useRefreshInstallers } from './installer-queries.ts';

const TONES: Record<Installer['state'], 'ok' | 'warn' | 'off'> = {
  valid: 'ok',
  early: 'ok',
  expired: 'off',
  'used-up': 'off',
  revoked: 'off',
  outdated: 'warn',
};

/** Jump > Installers: those made with the wizard, what the last upgrade made invalid, and the programs of other versions (B92-B99, B120). */
export function InstallersPage() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const installers = useInstallers();
  const next = installers.data?.next ?? null;
  return (
    <>
      <Section
        title={t('installers:title')}
        note={t('installers:note')}
        actions={<Button onClick={() => void navigate({ to: loginPaths.newInstaller })}>{t('installers:create')}</Button>}
      >
        {next !== null && (
          <Alert role="note" py="xs" mb="sm">
            {t('installers:nextHere', { version: next })}{' '}
            <Link to={loginPaths.newInstaller} search={{ version: 'next' }}>
              {t('installers:createNext')}
            </Link>
          </Alert>
        )}
        <OutdatedNotice installers={installers.data?.installers ?? []} version={installers.data?.current ?? ''} />
        {installers.isError && installers.data === undefined ? (
          <QueryFailure query={installers} />
        ) : (
          <InstallersTable installers={installers.data?.installers} />
        )}
      </Section>
      <OtherVersions age="next" />
      <OtherVersions age="earlier" />
    </>
  );
}

/** Which installers do not work any more since the site was upgraded (B120), by name. */
function OutdatedNotice({ installers, version }: { installers: Installer[]; version: string }) {
  const { t } = useTranslation();
  const outdated = outdatedOf(installers);
  if (outdated.length === 0) return null;
  return (
    <Alert color="yellow" role="note" py="xs" mb="sm" title={t('installers:outdated.title', { count: outdated.length, version })}>
      {t('installers:outdated.which', { names: outdated.map((installer) => installer.name).join(', ') })}{' '}
      {t('installers:outdated.do')}
    </Alert>
  );
}

function InstallersTable({ installers }: { installers: Installer[] | undefined }) {
  const { t } = useTranslation();
  const { actionsFor, dialog } = useInstallerActions();
  const columns = useMemo<Column<Installer>[]>(
    () => [
      {
        key: 'name',
        header: t('installers:name'),
        cell: (installer) => <span style={{ fontWeight: 550 }}>{installer.name}</span>,
        sortBy: (installer) => installer.name,
      },
      {
        key: 'state',
        header: t('installers:state'),
        cell: (installer) => <StateMark tone={TONES[installer.state]}>{t(`installers:states.${installer.state}`)}</StateMark>,
        sortBy: (installer) => installer.state,
      },
      {
        key: 'program',
        header: t('installers:program'),
        cell: (installer) => `${t(`shared:program.${installer.program}`)} ${installer.version}`,
        sortBy: (installer) => `${installer.program} ${installer.version}`,
      },
      {
        key: 'validUntil',
        header: t('installers:validUntil'),
        cell: (installer) => <span className="b-mono">{formatMinute(installer.validUntilMs)}</span>,
        sortBy: (installer) => installer.validUntilMs,
      },
      {
        key: 'uses',
        header: t('installers:used'),
        cell: (installer) =>
          t('installers:usedOf', {
            used: formatCount(installer.uses - installer.usesLeft),
            total: formatCount(installer.uses),
          }),
        sortBy: (installer) => installer.uses - installer.usesLeft,
        align: 'right',
      },
      {
        key: 'goesTo',
        header: t('installers:goesTo'),
        cell: (installer) => <GoesTo installer={installer} />,
        sortBy: (installer) => installer.groupName ?? '',
      },
      { key: 'files', header: t('installers:files'), cell: (installer) => <Files installer={installer} /> },
      {
        key: 'created',
        header: t('installers:created'),
        cell: (installer) => (
          <>
            <span className="b-mono">{formatMinute(installer.createdAtMs)}</span>{' '}
            <span className="b-quiet">{installer.createdBy}</span>
          </>
        ),
        sortBy: (installer) => installer.createdAtMs,
      },
      {
        key: 'actions',
        header: t('shared:actions'),
        hideHeader: true,
        align: 'right',
        cell: (installer) => <RowMenu name={installer.name} actions={actionsFor(installer)} />,
      },
    ],
    [t, actionsFor],
  );
  return (
    <>
      <DataTable
        label={t('installers:title')}
        rows={installers}
        rowKey={(installer) => installer.id}
        columns={columns}
        initialSort={[{ id: 'created', desc: true }]}
        empty={t('installers:empty')}
        emphasize={(installer) => installer.state === 'outdated'}
      />
      {dialog}
    </>
  );
}

/** Where no file of an outdated installer is left, what serves for removal lies with the downloads. */
function Files({ installer }: { installer: Installer }) {
  const { t } = useTranslation();
  const isLeft = installer.files.some((file) => file.problem === null);
  if (installer.state === 'outdated' && !isLeft) return <Link to={loginPaths.downloads}>{t('installers:earlierFiles')}</Link>;
  return <InstallerFiles installer={installer} isShort />;
}

function GoesTo({ installer }: { installer: Installer }) {
  const { t } = useTranslation();
  const more = [
    ...installer.tags,
    ...(installer.mode === 'passive' ? [t('shared:clientMode.passive')] : []),
    ...(installer.isGeneric ? [t('installers:generic')] : []),
  ];
  return (
    <>
      {installer.groupName ?? <span className="b-quiet">{t('installers:noGroup')}</span>}
      {more.length > 0 && <span className="b-quiet"> · {more.join(', ')}</span>}
    </>
  );
}

/** Revoking takes something away: it is asked first. */
function useInstallerActions() {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshInstallers();
  const { ask, dialog } = useConfirm();
  const actionsFor = useMemo(
    () =>
      (installer: Installer): RowAction[] => {
        if (installer.state !== 'valid' && installer.state !== 'early') return [];
        const revoke = () =>
          ask({
            title: t('installers:revokeTitle', { name: installer.name }),
            consequences: t('installers:revokeConsequences'),
            confirm: t('installers:revoke'),
            dangerous: true,
            act: async () => {
              await api.post(apiPaths.revokeInstaller(installer.id), anyAnswer);
              await refresh();
            },
          });
        return [{ label: `${t('installers:revoke')} …`, dangerous: true, act: revoke }];
      },
    [t, api, refresh, ask],
  );
  return { actionsFor, dialog };
}

/** Programs of a version that is not the site's: the next one, to install ahead (B94-B97), or earlier ones, to remove with (B99). */
function OtherVersions({ age }: { age: 'next' | 'earlier' }) {
  const { t } = useTranslation();
  const downloads = useDownloads();
  const rows = downloads.data?.downloads.filter((download) => download.age === age);
  if (rows === undefined || rows.length === 0) return null;
  return (
    <Section title={t(`installers:${age}.title`)} note={t(`installers:${age}.note`)}>
      <DownloadsTable label={t(`installers:${age}.title`)} downloads={rows} />
    </Section>
  );
}
