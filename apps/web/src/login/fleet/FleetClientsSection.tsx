import { useCallback, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useDebouncedValue } from '@mantine/hooks';
import { Button, Select, TextInput } from '@mantine/core';
import type { z } from 'zod';
import {
  fleetClientsQuery,
  upgradeState,
  type FleetClient,
  type UpgradeState,
  type uninstalled,
} from '@bascule/protocol/api/fleet.ts';
import { DataTable } from '../../shared/DataTable.tsx';
import { Pager } from '../../shared/Pager.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Section } from '../../shared/Section.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { formatCount } from '../../shared/format.ts';
import { notifyDone, notifyFailure } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { RedeployDialog } from './RedeployDialog.tsx';
import { useFleetClientColumns } from './fleet-client-columns.tsx';
import {
  CLIENTS_A_PAGE,
  readAllClients,
  useFleetClients,
  useRefreshFleet,
  useRollout,
  type ClientsFilter,
} from './fleet-queries.ts';
import { useUninstall, UNINSTALL_MAX } from './use-uninstall.tsx';
import classes from './fleet.module.css';

const TEXT_MAX_CHARACTERS = fleetClientsQuery.shape.text.unwrap().maxLength ?? 100;
/** How long the typing has to rest before the site is asked. */
const TYPING_REST_MS = 250;

/** The clients with their versions: found by name or state, brought to the front, tried again, or uninstalled. */
export function FleetClientsSection() {
  const { t } = useTranslation();
  const [text, setText] = useState('');
  const [state, setState] = useState<UpgradeState>();
  const [offset, setOffset] = useState(0);
  const [rested] = useDebouncedValue(text, TYPING_REST_MS);
  const filter = { text: rested, state };
  const clients = useFleetClients(filter, offset);
  const selection = useSelection();
  const columns = useFleetClientColumns(useClientActions(), selection.selected, selection.toggle);
  const [removed, setRemoved] = useState<z.infer<typeof uninstalled>['clients']>();
  const { ask, dialog } = useUninstall((list) => {
    setRemoved(list);
    selection.clear();
  });
  const restart = (change: () => void) => {
    change();
    setOffset(0);
  };
  const filters = (
    <Filters
      text={text}
      state={state}
      onText={(next) => restart(() => setText(next))}
      onState={(next) => restart(() => setState(next))}
    />
  );
  const isFiltered = rested !== '' || state !== undefined;
  return (
    <Section title={t('fleet:clients.title')} note={t('fleet:clients.note')} actions={filters}>
      {clients.isError && clients.data === undefined ? (
        <QueryFailure query={clients} />
      ) : (
        <>
          <SelectionBar
            selection={selection}
            filter={filter}
            total={clients.data?.total ?? 0}
            onUninstall={() => ask(selection.selected)}
          />
          <DataTable
            label={t('fleet:clients.title')}
            rows={clients.data?.clients}
            rowKey={(client) => client.id}
            columns={columns}
            empty={isFiltered ? t('fleet:clients.noMatch') : t('fleet:clients.none')}
          />
          <Pager
            label={t('fleet:clients.title')}
            offset={offset}
            limit={CLIENTS_A_PAGE}
            total={clients.data?.total ?? 0}
            onOffset={setOffset}
          />
        </>
      )}
      {dialog}
      {removed !== undefined && <RedeployDialog clients={removed} onClose={() => setRemoved(undefined)} />}
    </Section>
  );
}

interface FiltersProps {
  text: string;
  state: UpgradeState | undefined;
  onText: (text: string) => void;
  onState: (state: UpgradeState | undefined) => void;
}

function Filters({ text, state, onText, onState }: FiltersProps) {
  const { t } = useTranslation();
  const states = upgradeState.options.map((value) => ({ value, label: t(`fleet:state.${value}`) }));
  return (
    <>
      <Select
        size="xs"
        w={210}
        aria-label={t('fleet:clients.stateFilter')}
        data={[{ value: '', label: t('fleet:clients.allStates') }, ...states]}
        value={state ?? ''}
        onChange={(next) => onState(upgradeState.safeParse(next).data)}
      />
      <TextInput
        size="xs"
        w={240}
        type="search"
        aria-label={t('fleet:clients.search')}
        placeholder={t('fleet:clients.search')}
        value={text}
        maxLength={TEXT_MAX_CHARACTERS}
        onChange={(event) => onText(event.currentTarget.value)}
      />
    </>
  );
}

/** Chosen clients by id, kept while somebody pages on. */
export interface Selection {
  selected: ReadonlyMap<string, FleetClient>;
  toggle: (clients: readonly FleetClient[], isChosen: boolean) => void;
  clear: () => void;
}

function useSelection(): Selection {
  const [selected, setSelected] = useState<ReadonlyMap<string, FleetClient>>(new Map());
  const toggle = useCallback((clients: readonly FleetClient[], isChosen: boolean) => {
    setSelected((before) => {
      const after = new Map(before);
      for (const client of clients)
        if (isChosen) after.set(client.id, client);
        else after.delete(client.id);
      return after;
    });
  }, []);
  const clear = useCallback(() => setSelected(new Map()), []);
  return { selected, toggle, clear };
}

interface SelectionBarProps {
  selection: Selection;
  filter: ClientsFilter;
  total: number;
  onUninstall: () => void;
}

/** What is chosen and what can be done with it; always there, so that the table does not jump at the first tick. */
function SelectionBar({ selection, filter, total, onUninstall }: SelectionBarProps) {
  const { t } = useTranslation();
  const api = useApi();
  const [isReading, setReading] = useState(false);
  const count = selection.selected.size;
  const found = Math.min(total, UNINSTALL_MAX);
  const chooseAll = () => {
    setReading(true);
    readAllClients(api, filter, UNINSTALL_MAX)
      .then((clients) => selection.toggle(clients, true))
      .catch(notifyFailure)
      .finally(() => setReading(false));
  };
  return (
    <div className={classes['selection']} role="group" aria-label={t('fleet:selection.label')}>
      <span role="status" className="b-quiet">
        {t('fleet:selection.count', { count, number: formatCount(count) })}
      </span>
      <Button variant="default" loading={isReading} disabled={total === 0} onClick={chooseAll}>
        {t('fleet:selection.all', { number: formatCount(found) })}
      </Button>
      <Button variant="default" disabled={count === 0} onClick={selection.clear}>
        {t('fleet:selection.none')}
      </Button>
      <Button variant="default" disabled={count === 0 || count > UNINSTALL_MAX} onClick={onUninstall}>
        {t('fleet:uninstall.open')} …
      </Button>
    </div>
  );
}

/** Brings a client to the front of the queue, or lets it try again, at once: neither takes anything away. */
function useClientActions(): (client: FleetClient, action: 'front' | 'retry') => void {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshFleet();
  const rolloutState = useRollout().data?.state;
  const isStopped = rolloutState === 'paused' || rolloutState === 'halted';
  return useCallback(
    (client, action) => {
      const act = async () => {
        await api.post(apiPaths.fleetClientAction(client.id, action), anyAnswer);
        await refresh();
        notifyDone(t(`fleet:clients.done.${action === 'retry' && isStopped ? 'retryLater' : action}`, { name: client.name }));
      };
      act().catch(notifyFailure);
    },
    [api, refresh, t, isStopped],
  );
}
