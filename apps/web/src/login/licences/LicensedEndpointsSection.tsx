import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Button, Select, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { LICENSED_ENDPOINTS_PAGE, type LicencesAnswer, type LicensedEndpoint } from '@bascule/protocol/api/licence.ts';
import { DataTable, type Column } from '../../shared/DataTable.tsx';
import { Pager } from '../../shared/Pager.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Section, StateMark } from '../../shared/Section.tsx';
import { formatCount, formatMinute } from '../../shared/format.ts';
import { MoveLicenceDialog } from './MoveLicenceDialog.tsx';
import { useLicensedEndpoints } from './licence-queries.ts';

/** How long the typing has to rest before the site is asked. */
const TYPING_REST_MS = 250;
const TEXT_MAX_CHARACTERS = 100;

interface SectionProps {
  endpoints: LicencesAnswer['endpoints'];
  limit: number;
}

/** Which endpoints have a licence, and which have none: those get one here (B208). */
export function LicensedEndpointsSection({ endpoints: { used, without }, limit }: SectionProps) {
  const { t } = useTranslation();
  const [has, setHas] = useState<'yes' | 'no'>(without > 0 ? 'no' : 'yes');
  const [text, setText] = useState('');
  const [offset, setOffset] = useState(0);
  const [chosen, setChosen] = useState<LicensedEndpoint>();
  const [rested] = useDebouncedValue(text, TYPING_REST_MS);
  const endpoints = useLicensedEndpoints(has, rested, offset);
  const columns = useColumns(has, setChosen);
  const counts = { used: formatCount(used), limit: formatCount(limit), without: formatCount(without) };
  const filters = (
    <>
      <Select
        size="xs"
        w={190}
        aria-label={t('licences:endpoints.which')}
        data={(['yes', 'no'] as const).map((value) => ({ value, label: t(`licences:endpoints.has.${value}`) }))}
        value={has}
        onChange={(next) => {
          setHas(next === 'no' ? 'no' : 'yes');
          setOffset(0);
        }}
      />
      <TextInput
        size="xs"
        w={220}
        type="search"
        aria-label={t('licences:endpoints.search')}
        placeholder={t('licences:endpoints.search')}
        value={text}
        maxLength={TEXT_MAX_CHARACTERS}
        onChange={(event) => {
          setText(event.currentTarget.value);
          setOffset(0);
        }}
      />
    </>
  );
  return (
    <Section
      title={t('licences:endpoints.title')}
      note={
        <>
          <StateMark tone={without > 0 ? 'bad' : used >= limit ? 'warn' : 'ok'}>
            {t(without > 0 ? 'licences:endpoints.usedAndWithout' : 'licences:endpoints.used', counts)}
          </StateMark>{' '}
          {t('licences:endpoints.note')}
        </>
      }
      actions={filters}
    >
      {endpoints.isError && endpoints.data === undefined ? (
        <QueryFailure query={endpoints} />
      ) : (
        <>
          <DataTable
            label={t('licences:endpoints.title')}
            rows={endpoints.data?.endpoints}
            rowKey={({ id }) => id}
            columns={columns}
            empty={rested === '' ? t(`licences:endpoints.none.${has}`) : t('licences:endpoints.noMatch')}
          />
          <Pager
            label={t('licences:endpoints.title')}
            offset={offset}
            limit={LICENSED_ENDPOINTS_PAGE}
            total={endpoints.data?.total ?? 0}
            onOffset={setOffset}
          />
        </>
      )}
      {chosen && <MoveLicenceDialog to={chosen} free={limit - used} onClose={() => setChosen(undefined)} />}
    </Section>
  );
}

function useColumns(has: 'yes' | 'no', onGive: (endpoint: LicensedEndpoint) => void): Column<LicensedEndpoint>[] {
  const { t } = useTranslation();
  const given = ({ sinceMs, by }: LicensedEndpoint) =>
    sinceMs === null
      ? ''
      : by === null
        ? formatMinute(sinceMs)
        : t('licences:endpoints.givenBy', { at: formatMinute(sinceMs), name: by });
  return [
    { key: 'name', header: t('licences:endpoints.name'), cell: ({ name }) => <span style={{ fontWeight: 550 }}>{name}</span> },
    { key: 'host', header: t('licences:endpoints.host'), cell: ({ hostName }) => <span className="b-mono">{hostName}</span> },
    {
      key: 'sessions',
      header: t('licences:endpoints.sessions'),
      cell: ({ sessions }) => formatCount(sessions),
      align: 'right',
    },
    has === 'yes'
      ? { key: 'since', header: t('licences:endpoints.since'), cell: given }
      : {
          key: 'give',
          header: t('shared:actions'),
          hideHeader: true,
          align: 'right',
          cell: (row) => (
            <Button variant="default" onClick={() => onGive(row)} aria-label={t('licences:move.openLabel', { name: row.name })}>
              {t('licences:move.open')}
            </Button>
          ),
        },
  ];
}
