import { useTranslation } from 'react-i18next';
import type { LicencesAnswer } from '@bascule/protocol/api/licence.ts';
import { DataTable, type Column } from '../../shared/DataTable.tsx';
import { Headline, HeadlineNote } from '../../shared/Headline.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Section, StateMark, type Tone } from '../../shared/Section.tsx';
import { formatCount, formatMinute } from '../../shared/format.ts';
import { pagePaths } from '../../shared/paths.ts';
import { LicensedEndpointsSection } from './LicensedEndpointsSection.tsx';
import { useLicences } from './licence-queries.ts';

type Known = LicencesAnswer['known'][number];
type Active = LicencesAnswer['representatives']['active'][number];

/** Management > Licences: what is licensed, what is in use, and moving a licence to another endpoint (B208-B212). */
export function LicencesPage() {
  const query = useLicences();
  if (query.data === undefined) return query.isError ? <QueryFailure query={query} /> : <></>;
  const { endpoints, representatives, known } = query.data;
  return (
    <>
      <Overview licences={query.data} />
      {known.length > 0 && <KnownSection known={known} />}
      {endpoints.limit !== null && <LicensedEndpointsSection endpoints={endpoints} limit={endpoints.limit} />}
      <RepresentativesSection {...representatives} />
    </>
  );
}

const TONES: Record<LicencesAnswer['state'], Tone> = { none: 'off', valid: 'ok', grace: 'warn', expired: 'bad' };

function Overview({ licences }: { licences: LicencesAnswer }) {
  const { t } = useTranslation();
  const { state, expiresAtMs, refusedFromMs } = licences;
  const at = (atMs: number | null) => (atMs === null ? t('shared:never') : formatMinute(atMs));
  return (
    <Headline tone={TONES[state]} text={t(`licences:state.${state}`, { expires: at(expiresAtMs) })}>
      <HeadlineNote>{t(`licences:stateNote.${state}`, { from: at(refusedFromMs) })}</HeadlineNote>
      <HeadlineNote>
        {t('licences:install')} <a href={`${pagePaths.appliance}/updates`}>{t('licences:installWhere')}</a>
      </HeadlineNote>
    </Headline>
  );
}

function KnownSection({ known }: { known: Known[] }) {
  const { t } = useTranslation();
  const limit = (count: number | null) => (count === null ? t('licences:noLimit') : formatCount(count));
  const columns: Column<Known>[] = [
    { key: 'holder', header: t('licences:holder'), cell: ({ holder }) => holder, sortBy: ({ holder }) => holder },
    { key: 'version', header: t('licences:version'), cell: ({ version }) => <span className="b-mono">{version}</span> },
    { key: 'endpoints', header: t('licences:endpoints.title'), cell: ({ endpoints }) => limit(endpoints), align: 'right' },
    {
      key: 'representatives',
      header: t('licences:representatives.title'),
      cell: ({ concurrentRepresentatives }) => limit(concurrentRepresentatives),
      align: 'right',
    },
    { key: 'maintained', header: t('licences:maintained'), cell: ({ maintainedUntilMs }) => formatMinute(maintainedUntilMs) },
    {
      key: 'expires',
      header: t('licences:expires'),
      cell: ({ expiresAtMs, isExpired }) => (
        <StateMark tone={isExpired ? 'warn' : 'ok'}>
          {expiresAtMs === null ? t('shared:never') : formatMinute(expiresAtMs)}
        </StateMark>
      ),
    },
  ];
  return (
    <Section title={t('licences:known')} note={t('licences:knownNote')}>
      <DataTable label={t('licences:known')} rows={known} rowKey={({ holder }) => holder} columns={columns} empty="" />
    </Section>
  );
}

function RepresentativesSection({ limit, active }: LicencesAnswer['representatives']) {
  const { t } = useTranslation();
  const columns: Column<Active>[] = [
    { key: 'name', header: t('licences:representatives.name'), cell: ({ name }) => name, sortBy: ({ name }) => name },
    {
      key: 'sessions',
      header: t('licences:representatives.sessions'),
      cell: ({ sessions }) => formatCount(sessions),
      sortBy: ({ sessions }) => sessions,
      align: 'right',
    },
  ];
  const used = formatCount(active.length);
  const isFull = limit !== null && active.length >= limit;
  const note =
    limit === null
      ? t('licences:representatives.unlimited', { used })
      : t('licences:representatives.used', { used, limit: formatCount(limit) });
  return (
    <Section
      title={t('licences:representatives.title')}
      note={
        <>
          <StateMark tone={isFull ? 'warn' : 'ok'}>{note}</StateMark> {t('licences:representatives.note')}
        </>
      }
    >
      <DataTable
        label={t('licences:representatives.title')}
        rows={active}
        rowKey={({ name }) => name}
        columns={columns}
        empty={t('licences:representatives.nobody')}
      />
    </Section>
  );
}
