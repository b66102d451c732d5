import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Button, Stack, Table } from '@mantine/core';
import type { RestoreInspection, RestoreNames, RestorePreview, RestoreState } from '@bascule/protocol/api/restore.ts';
import { Facts, Section, StateMark, type Tone } from '../../shared/Section.tsx';
import { formatBytes, formatCount, formatMinute } from '../../shared/format.ts';
import { remarkText } from './remark-text.ts';
import { StartDialog } from './StartDialog.tsx';
import classes from './restore.module.css';

interface PreviewProps {
  inspection: RestoreInspection;
  preview: RestorePreview;
  state: RestoreState;
}

/** What is in the backup, and what restoring it would mean here; nothing was changed. */
export function PreviewSection({ inspection, preview, state }: PreviewProps) {
  const { t } = useTranslation();
  const [isAsking, setAsking] = useState(false);
  return (
    <Section title={t('restore:preview.title', { name: inspection.name })} note={t('restore:preview.note')}>
      <Stack gap="md" maw={900}>
        <Source preview={preview} siteVersion={state.siteVersion} />
        <Parts parts={preview.parts} />
        <Afterwards preview={preview} />
        <Remarks preview={preview} />
        <div>
          <Button disabled={state.blocked.length > 0} onClick={() => setAsking(true)}>
            {t('restore:preview.start')}
          </Button>
        </div>
      </Stack>
      {isAsking && (
        <StartDialog
          upload={inspection.upload}
          preview={preview}
          applianceName={state.applianceName}
          onClose={() => setAsking(false)}
        />
      )}
    </Section>
  );
}

function Source({ preview, siteVersion }: { preview: RestorePreview; siteVersion: string }) {
  const { t } = useTranslation();
  const { contents, replaced, migrations } = preview;
  const figures = ({ users, clients, sessions }: { users: number; clients: number; sessions: number }) =>
    t('restore:preview.figures', { users: formatCount(users), clients: formatCount(clients), sessions: formatCount(sessions) });
  const version =
    migrations.length === 0
      ? preview.siteVersion
      : t('restore:preview.migrated', { from: preview.siteVersion, to: siteVersion, count: migrations.length });
  return (
    <Facts
      rows={[
        [t('restore:preview.appliance'), preview.appliance],
        [t('restore:preview.madeAt'), formatMinute(preview.madeAtMs)],
        [t('restore:preview.version'), version],
        [t('restore:preview.holds'), figures(contents)],
        [
          t('restore:preview.replaces'),
          replaced === null
            ? t('restore:preview.nothing')
            : `${figures(replaced)}${replaced.newestChangeAtMs === null ? '' : `; ${t('restore:preview.changed', { at: formatMinute(replaced.newestChangeAtMs) })}`}`,
        ],
        [t('restore:preview.space'), formatBytes(preview.unpackedBytes)],
      ]}
    />
  );
}

function Parts({ parts }: Pick<RestorePreview, 'parts'>) {
  const { t } = useTranslation();
  return (
    <Table className={classes['parts']} aria-label={t('restore:preview.parts')}>
      <Table.Thead>
        <Table.Tr>
          <Table.Th>{t('restore:preview.part')}</Table.Th>
          <Table.Th>{t('restore:preview.inBackup')}</Table.Th>
          <Table.Th>{t('restore:preview.outcome')}</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {parts.map(({ part, isIncluded, bytes, outcome }) => (
          <Table.Tr key={part}>
            <Table.Td>{t(`restore:part.${part}`)}</Table.Td>
            <Table.Td>
              {!isIncluded ? t('restore:preview.no') : bytes > 0 ? formatBytes(bytes) : t('restore:preview.yes')}
            </Table.Td>
            <Table.Td>{t(`restore:outcome.${outcome}`)}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

/** Who may log in, and with which key secrets are read. */
function Afterwards({ preview }: { preview: RestorePreview }) {
  const { t } = useTranslation();
  const { loginAdministrators, loginUsers, applianceAdministrators, vaultKey, pair } = preview;
  return (
    <Facts
      rows={[
        [t('restore:preview.login'), t('restore:preview.loginText', { count: loginUsers, names: listed(loginAdministrators) })],
        [t('restore:preview.box'), t('restore:preview.boxText', { names: applianceAdministrators.join(', ') })],
        [t('restore:preview.vaultKey'), t(`restore:vaultKey.${vaultKey.state}`, { count: vaultKey.secrets })],
        ...(pair === null
          ? []
          : [[t('restore:preview.pair'), t(`restore:pair.${pair.role}`, { peer: pair.peer })] as [string, string]]),
      ]}
    />
  );
}

const GRAVE = new Set(['CLIENTS_LOST']);
const toneOf = (code: string): Tone => (GRAVE.has(code) ? 'bad' : 'warn');

function Remarks({ preview: { remarks, lostClients } }: { preview: RestorePreview }) {
  const { t } = useTranslation();
  if (remarks.length === 0) return <StateMark tone="ok">{t('restore:preview.complete')}</StateMark>;
  return (
    <ul className={classes['remarks']} aria-label={t('restore:preview.remarks')}>
      {remarks.map((remark) => (
        <li key={remark.code}>
          <StateMark tone={toneOf(remark.code)}>{remarkText(remark)}</StateMark>
          {remark.code === 'CLIENTS_LOST' && <p className={classes['names']}>{listed(lostClients)}</p>}
        </li>
      ))}
    </ul>
  );
}

/** Names as far as they are listed. */
export function listed({ count, names }: RestoreNames): string {
  const more = count - names.length;
  return more > 0 ? `${names.join(', ')} … (+${formatCount(more)})` : names.join(', ');
}
