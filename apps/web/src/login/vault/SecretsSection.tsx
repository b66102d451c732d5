import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Button, Group, Select, Skeleton } from '@mantine/core';
import type { VaultKeyState } from '@bascule/protocol/api/vault.ts';
import { DataTable, type Column } from '../../shared/DataTable.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Section, StateMark } from '../../shared/Section.tsx';
import { formatCount } from '../../shared/format.ts';
import { kindText, secretText } from './vault-model.ts';
import { useVaultSecrets } from './vault-queries.ts';
import classes from './vault.module.css';

type Protected = VaultKeyState['protects'][number];
const SHOWS = ['all', 'unreadable'] as const;

/** Exactly what would be lost without the vault key, by kind and by name; and what is unreadable now. */
export function SecretsSection({ state }: { state: VaultKeyState }) {
  const { t } = useTranslation();
  const columns = useMemo<Column<Protected>[]>(
    () => [
      { key: 'kind', header: t('vault:secrets.kind'), cell: (one) => kindText(one.kind), sortBy: (one) => kindText(one.kind) },
      {
        key: 'count',
        header: t('vault:secrets.count'),
        cell: (one) => formatCount(one.count),
        sortBy: (one) => one.count,
        align: 'right',
      },
      {
        key: 'state',
        header: t('vault:secrets.state'),
        cell: (one) =>
          one.unreadable === 0 ? (
            <StateMark tone="ok">{t('vault:secrets.readable')}</StateMark>
          ) : (
            <StateMark tone="bad">
              {t('vault:secrets.unreadableCount', { count: one.unreadable, number: formatCount(one.unreadable) })}
            </StateMark>
          ),
        sortBy: (one) => one.unreadable,
      },
      { key: 'lost', header: t('vault:secrets.lost'), cell: (one) => <Lost kind={one.kind} />, wrap: true },
    ],
    [t],
  );
  return (
    <Section title={t('vault:secrets.title')} note={t('vault:secrets.note')}>
      <DataTable
        label={t('vault:secrets.title')}
        rows={state.protects}
        rowKey={(one) => one.kind}
        columns={columns}
        initialSort={[{ id: 'kind', desc: false }]}
        empty={t('vault:secrets.empty')}
        emphasize={(one) => one.unreadable > 0}
      />
      {state.protects.length > 0 && <Names hasUnreadable={state.unreadable > 0} />}
    </Section>
  );
}

function Lost({ kind }: { kind: string }) {
  const { t, i18n } = useTranslation();
  return i18n.exists(`vault:lost.${kind}`) ? t(`vault:lost.${kind}`) : t('vault:lostOther');
}

/** The names, read when they are asked for. */
function Names({ hasUnreadable }: { hasUnreadable: boolean }) {
  const { t } = useTranslation();
  const [isOpen, setOpen] = useState(false);
  const [chosen, setChosen] = useState<(typeof SHOWS)[number]>();
  const show = chosen ?? (hasUnreadable ? 'unreadable' : 'all');
  const secrets = useVaultSecrets(show, isOpen);
  const rows = secrets.data?.pages.flatMap((page) => page.secrets) ?? [];
  return (
    <details className={classes['names']} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t('vault:secrets.names')}</summary>
      <Select
        size="xs"
        w={220}
        my="xs"
        aria-label={t('vault:secrets.show')}
        data={SHOWS.map((value) => ({ value, label: t(`vault:secrets.shows.${value}`) }))}
        value={show}
        onChange={(next) => setChosen(SHOWS.find((value) => value === next))}
      />
      {secrets.data === undefined && secrets.isError && <QueryFailure query={secrets} />}
      {isOpen && secrets.data === undefined && !secrets.isError && <Skeleton height={60} aria-label={t('shared:loading')} />}
      {secrets.data !== undefined && rows.length === 0 && <p className="b-quiet">{t('vault:secrets.noneOfThem')}</p>}
      {rows.length > 0 && (
        <ul aria-label={t('vault:secrets.names')} tabIndex={0}>
          {rows.map((secret, index) => (
            <li key={`${index} ${secret.kind} ${secret.name}`}>
              {secretText(secret)} {!secret.isReadable && <StateMark tone="bad">{t('vault:secrets.unreadable')}</StateMark>}
            </li>
          ))}
        </ul>
      )}
      {secrets.hasNextPage && (
        <Group mt="xs">
          <Button variant="default" loading={secrets.isFetchingNextPage} onClick={() => void secrets.fetchNextPage()}>
            {t('shared:more')}
          </Button>
        </Group>
      )}
    </details>
  );
}
