import { useMemo } from 'react';
import type { TFunction } from 'i18next';
import { useTranslation } from 'react-i18next';
import { z } from 'zod';
import { Button } from '@mantine/core';
import type { UpdatesState } from '@bascule/protocol/api/updates.ts';
import { useConfirm } from '../../shared/ConfirmDialog.tsx';
import { DataTable, type Column } from '../../shared/DataTable.tsx';
import { Facts, Section, StateMark } from '../../shared/Section.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { formatInstant, formatMinute } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';
import { packageName } from './update-texts.ts';
import { isNewer } from './updates-model.ts';
import { useRefreshUpdates } from './updates-queries.ts';

type Installed = UpdatesState['installed'][number];
const started = z.object({ id: z.string() });

/** What is installed, with the way back to the version before. */
export function InstalledSection({ state }: { state: UpdatesState }) {
  const { t } = useTranslation();
  const { askRollBack, dialog } = useRollBack();
  const isBusy = state.running !== null;
  const columns = useMemo<Column<Installed>[]>(
    () => [
      {
        key: 'kind',
        header: t('appliance:packages.kind'),
        cell: (row) => t(`appliance:packages.kinds.${row.kind}`),
        width: '160px',
      },
      {
        key: 'version',
        header: t('appliance:packages.version'),
        cell: (row) => <span className="b-mono">{row.version}</span>,
        width: '140px',
      },
      { key: 'revision', header: t('updates:installed.revision'), cell: (row) => <span className="b-mono">{row.revision}</span> },
      {
        key: 'since',
        header: t('updates:installed.since'),
        cell: (row) => <span className="b-mono">{row.installedAtMs === null ? '–' : formatInstant(row.installedAtMs)}</span>,
      },
      {
        key: 'previous',
        header: t('updates:installed.previous'),
        cell: (row) => <span className="b-mono">{row.previousVersion ?? '–'}</span>,
      },
      {
        key: 'rollBack',
        header: t('shared:actions'),
        hideHeader: true,
        align: 'right',
        cell: (row) =>
          row.previousVersion !== null &&
          row.kind !== 'licence' && (
            <Button
              variant="default"
              disabled={isBusy}
              onClick={() => askRollBack(row)}
              aria-label={buttonName(t, row.kind, row.version, row.previousVersion)}
            >
              {buttonText(t, row.version, row.previousVersion)}
            </Button>
          ),
      },
    ],
    [t, isBusy, askRollBack],
  );
  return (
    <Section title={t('appliance:packages.title')}>
      <DataTable
        label={t('appliance:packages.title')}
        rows={state.installed}
        rowKey={(row) => `${row.kind} ${row.version}`}
        columns={columns}
        empty={t('shared:none')}
      />
      {state.licences.map((licence) => (
        <Licence key={`${licence.holder} ${licence.version}`} licence={licence} />
      ))}
      {dialog}
    </Section>
  );
}

/** After a way back the version before is the newer one: nobody rolls back to it. */
function buttonText(t: TFunction, version: string, other: string): string {
  return isNewer(other, version) ? t('updates:installed.change', { version: other }) : t('updates:installed.rollBack');
}

function buttonName(t: TFunction, kind: Installed['kind'], version: string, other: string): string {
  return isNewer(other, version)
    ? t('updates:installed.changeName', { version: other, kind: t(`appliance:packages.kinds.${kind}`) })
    : t('updates:installed.rollBackName', { name: packageName(t, kind, other) });
}

/** Asks before the version before is put back, and says what follows. */
function useRollBack() {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshUpdates();
  const { ask, dialog } = useConfirm();
  const askRollBack = (row: Installed) => {
    if (row.kind === 'licence' || row.previousVersion === null) return;
    const { kind, version, previousVersion } = row;
    const isChange = isNewer(previousVersion, version);
    const name = packageName(t, kind, previousVersion);
    ask({
      title: t(isChange ? 'updates:installed.changeTitle' : 'updates:installed.rollBackTitle', { name }),
      consequences: t(`updates:installed.${isChange ? 'changeConsequences' : 'rollBackConsequences'}.${kind}`, { version, name }),
      confirm: buttonText(t, version, previousVersion),
      dangerous: !isChange,
      act: async () => {
        await api.post(apiPaths.updatesAction('roll-back'), started, { kind });
        await refresh();
      },
    });
  };
  return { askRollBack, dialog };
}

type LicenceTerms = UpdatesState['licences'][number];

function Licence({ licence }: { licence: LicenceTerms }) {
  const { t } = useTranslation();
  const limit = (count: number | null) => (count === null ? t('updates:licence.noLimit') : count.toLocaleString());
  return (
    <div style={{ marginTop: 'var(--b-space-2)' }}>
      <Facts
        rows={[
          [t('updates:licence.holder'), `${licence.holder} (${licence.version})`],
          [t('updates:licence.maintainedUntil'), formatMinute(licence.maintainedUntilMs)],
          [t('updates:licence.endpoints'), limit(licence.endpoints)],
          [t('updates:licence.representatives'), limit(licence.concurrentRepresentatives)],
          [
            t('updates:licence.expires'),
            <StateMark key="expires" tone={licence.isExpired ? 'warn' : 'ok'}>
              {licence.expiresAtMs === null ? t('shared:never') : formatMinute(licence.expiresAtMs)}
              {licence.isExpired && ` – ${t('updates:licence.expired')}`}
            </StateMark>,
          ],
        ]}
      />
    </div>
  );
}
