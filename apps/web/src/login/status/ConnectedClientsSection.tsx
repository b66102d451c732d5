import { useMemo, useState } from 'react';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { useDebouncedValue } from '@mantine/hooks';
import { Select, TextInput } from '@mantine/core';
import { jumpItemsPage, jumpProgram, type JumpItem, type JumpItemsPage, type JumpProgram } from '@bascule/protocol/api/jump.ts';
import { DataTable, type Column } from '../../shared/DataTable.tsx';
import { Pager } from '../../shared/Pager.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Section, StateMark } from '../../shared/Section.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { formatCount, formatInstant, formatMinute } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';
import { STATE_TONES } from '../fleet/fleet-model.ts';
import classes from './status.module.css';

const ROWS_A_PAGE = 50;
const TEXT_MAX_CHARACTERS = 100;
/** How long the typing has to rest before the site is asked. */
const TYPING_REST_MS = 250;
/** Also without an event: presence is what people act on. */
const REFRESH_MS = 60_000;
const PRESENCES = ['online', 'offline', 'all'] as const;
type Presence = (typeof PRESENCES)[number];
const ONLINE_QUERY: Record<Presence, string | undefined> = { online: 'true', offline: 'false', all: undefined };

function useClientsPage(presence: Presence, program: JumpProgram | undefined, text: string, offset: number) {
  const api = useApi();
  return useQuery({
    // The first word is the event topic.
    queryKey: ['jump-items', 'information', presence, program, text, offset],
    queryFn: ({ signal }) =>
      api.get(
        apiPaths.jumpItemsSearch,
        jumpItemsPage,
        { text, online: ONLINE_QUERY[presence], program, sort: 'name', offset, limit: ROWS_A_PAGE },
        signal,
      ),
    placeholderData: keepPreviousData,
    refetchInterval: REFRESH_MS,
  });
}

/** Status > Information: which clients are online, with which version, how and since when (B28, B112); only those this person may see. */
export function ConnectedClientsSection() {
  const { t } = useTranslation();
  const [presence, setPresence] = useState<Presence>('online');
  const [program, setProgram] = useState<JumpProgram>();
  const [text, setText] = useState('');
  const [offset, setOffset] = useState(0);
  const [rested] = useDebouncedValue(text, TYPING_REST_MS);
  const clients = useClientsPage(presence, program, rested, offset);
  const columns = useClientColumns();
  const filters = (
    <>
      <Select
        size="xs"
        w={150}
        aria-label={t('login:clients.presence')}
        data={PRESENCES.map((value) => ({ value, label: t(`login:clients.presences.${value}`) }))}
        value={presence}
        onChange={(next) => {
          setPresence(PRESENCES.find((value) => value === next) ?? 'online');
          setOffset(0);
        }}
      />
      <Select
        size="xs"
        w={150}
        aria-label={t('login:clients.programs')}
        data={[
          { value: '', label: t('login:clients.allPrograms') },
          ...jumpProgram.options.map((value) => ({ value, label: t(`shared:program.${value}`) })),
        ]}
        value={program ?? ''}
        onChange={(next) => {
          setProgram(jumpProgram.safeParse(next).data);
          setOffset(0);
        }}
      />
      <TextInput
        size="xs"
        w={240}
        type="search"
        aria-label={t('login:clients.search')}
        placeholder={t('login:clients.search')}
        value={text}
        maxLength={TEXT_MAX_CHARACTERS}
        onChange={(event) => {
          setText(event.currentTarget.value);
          setOffset(0);
        }}
      />
    </>
  );
  const isSearch = rested !== '' || program !== undefined;
  const empty = !isSearch ? t(`login:clients.none.${presence}`) : t('login:clients.noMatch');
  return (
    <Section title={t('login:clients.title')} note={t('login:clients.note')} actions={filters}>
      {clients.isError && clients.data === undefined ? (
        <QueryFailure query={clients} />
      ) : (
        <>
          <ByProgram programs={clients.data?.programs ?? []} />
          <DataTable
            label={t('login:clients.title')}
            rows={clients.data?.items}
            rowKey={(item) => item.id}
            columns={columns}
            empty={empty}
          />
          <Pager
            label={t('login:clients.title')}
            offset={offset}
            limit={ROWS_A_PAGE}
            total={clients.data?.total ?? 0}
            onOffset={setOffset}
          />
        </>
      )}
    </Section>
  );
}

/** How many clients of each program there are, and how many of them are online, whatever is looked for; its line is kept while it is read. */
function ByProgram({ programs }: { programs: JumpItemsPage['programs'] }) {
  const { t } = useTranslation();
  return (
    <ul className={classes['programs']} aria-label={t('login:clients.byProgram')}>
      {programs.map(({ program, items, online }) => (
        <li key={program}>
          {t(`shared:program.${program}`)}:{' '}
          <strong>{t('login:clients.programOnline', { online: formatCount(online), items: formatCount(items) })}</strong>
        </li>
      ))}
    </ul>
  );
}

/** Not sortable: a page is a part of the site's own order, which is by name. */
function useClientColumns(): Column<JumpItem>[] {
  const { t } = useTranslation();
  return useMemo<Column<JumpItem>[]>(
    () => [
      { key: 'name', header: t('login:jump.name'), cell: (item) => <span style={{ fontWeight: 550 }}>{item.name}</span> },
      { key: 'program', header: t('login:clients.program'), cell: (item) => t(`shared:program.${item.program}`) },
      {
        key: 'version',
        header: t('login:jump.version'),
        cell: (item) => (
          <span className="b-mono">
            {item.version} <span className="b-quiet">{item.revision.slice(0, 12)}</span>
          </span>
        ),
      },
      {
        key: 'upgrade',
        header: t('login:clients.upgrade'),
        cell: (item) => <StateMark tone={STATE_TONES[item.upgrade]}>{t(`fleet:state.${item.upgrade}`)}</StateMark>,
      },
      { key: 'mode', header: t('login:clients.mode'), cell: (item) => t(`shared:clientMode.${item.mode}`) },
      { key: 'presence', header: t('login:jump.presence'), cell: (item) => <OnlineSince item={item} /> },
      {
        key: 'group',
        header: t('login:jump.group'),
        cell: (item) => item.groupName ?? <span className="b-quiet">–</span>,
      },
      { key: 'sessions', header: t('login:jump.sessions'), cell: (item) => item.sessions, align: 'right' },
    ],
    [t],
  );
}

function OnlineSince({ item }: { item: JumpItem }) {
  const { t } = useTranslation();
  if (item.sinceMs === null) return <StateMark tone="off">{t('login:jump.neverSeen')}</StateMark>;
  const time = formatMinute(item.sinceMs);
  return (
    <span title={formatInstant(item.sinceMs)}>
      {item.online ? (
        <StateMark tone="ok">{t('login:clients.onlineSince', { time })}</StateMark>
      ) : (
        <StateMark tone="off">{t('login:jump.offlineSince', { time })}</StateMark>
      )}
    </span>
  );
}
