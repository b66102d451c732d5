import { useMemo } from 'react';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { Alert, Button, Group, Modal, Stack } from '@mantine/core';
import { DataTable, type Column } from '../../shared/DataTable.tsx';
import { StateMark } from '../../shared/Section.tsx';
import { saveFile } from '../../shared/save-file.ts';
import { loginPaths } from '../login-paths.ts';
import { redeployCsv, type Tone, type Uninstalled } from './fleet-model.ts';
import classes from './fleet.module.css';

const TONES: Record<Uninstalled['state'], Tone> = { told: 'ok', 'will-be-told': 'warn', cannot: 'bad' };

/** What was uninstalled, to be installed again later (B89). Shown this once: neither Escape nor a stray click closes it. */
export function RedeployDialog({ clients, onClose }: { clients: Uninstalled[]; onClose: () => void }) {
  const { t } = useTranslation();
  const columns = useMemo<Column<Uninstalled>[]>(
    () => [
      { key: 'name', header: t('fleet:clients.name'), cell: (client) => client.name, sortBy: (client) => client.name },
      { key: 'host', header: t('fleet:redeploy.host'), cell: (client) => client.hostName, sortBy: (client) => client.hostName },
      {
        key: 'group',
        header: t('login:jump.group'),
        cell: (client) => client.groupName ?? <span className="b-quiet">–</span>,
        sortBy: (client) => client.groupName ?? '',
      },
      {
        key: 'state',
        header: t('fleet:clients.state'),
        cell: (client) => <StateMark tone={TONES[client.state]}>{t(`fleet:redeploy.states.${client.state}`)}</StateMark>,
        sortBy: (client) => client.state,
      },
    ],
    [t],
  );
  return (
    <Modal
      opened
      onClose={onClose}
      closeOnClickOutside={false}
      closeOnEscape={false}
      withCloseButton={false}
      size="xl"
      title={t('fleet:redeploy.title', { count: clients.length })}
    >
      <Stack gap="md">
        <Alert color="yellow" py="xs">
          {t('fleet:redeploy.once')}
        </Alert>
        <div className={classes['figuresBox']}>
          <DataTable
            label={t('fleet:redeploy.title', { count: clients.length })}
            rows={clients}
            rowKey={(client) => client.id}
            columns={columns}
            empty={t('fleet:clients.none')}
          />
        </div>
        <Group justify="flex-end">
          <Link to={loginPaths.newInstaller} target="_blank" style={{ marginRight: 'auto' }}>
            {t('fleet:redeploy.newInstaller')}
          </Link>
          <Button
            variant="default"
            onClick={() => saveFile('redeploy.json', 'application/json', JSON.stringify(clients, null, 2))}
          >
            {t('fleet:redeploy.json')}
          </Button>
          <Button variant="default" onClick={() => saveFile('redeploy.csv', 'text/csv', redeployCsv(clients))}>
            {t('fleet:redeploy.csv')}
          </Button>
          <Button onClick={onClose}>{t('fleet:redeploy.saved')}</Button>
        </Group>
      </Stack>
    </Modal>
  );
}
