import { useTranslation } from 'react-i18next';
import { Alert, Skeleton } from '@mantine/core';
import type { VaultKeyState } from '@bascule/protocol/api/vault.ts';
import { Headline, HeadlineNote } from '../../shared/Headline.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Facts, Section, StateMark } from '../../shared/Section.tsx';
import { formatCount, formatInstant, formatMinute } from '../../shared/format.ts';
import { DownloadKeySection } from './DownloadKeySection.tsx';
import { RestoreKeySection } from './RestoreKeySection.tsx';
import { RotationSection } from './RotationSection.tsx';
import { SecretsSection } from './SecretsSection.tsx';
import { groupedKeyId, vaultStanding } from './vault-model.ts';
import { useVaultKey } from './vault-queries.ts';

const PAGE_HEIGHT_PX = 560;

/** Management > Vault Key (B193-B195): whether it is here and kept elsewhere, too; what would be lost without it; download, restore, rotation. */
export function VaultKeyPage() {
  const { t } = useTranslation();
  const vault = useVaultKey();
  if (vault.data === undefined)
    return vault.isError ? <QueryFailure query={vault} /> : <Skeleton height={PAGE_HEIGHT_PX} aria-label={t('shared:loading')} />;
  const state = vault.data;
  const isMissing = state.unreadable > 0;
  return (
    <>
      <Section title={t('vault:title')} note={t('vault:note')}>
        {vault.isError && (
          <Alert color="yellow" role="status" py="xs" mb="sm">
            {t('vault:stale')}
          </Alert>
        )}
        <VaultHeadline state={state} />
        <KeyFacts state={state} />
      </Section>
      <SecretsSection state={state} />
      {isMissing && <RestoreKeySection isNeeded />}
      <DownloadKeySection state={state} />
      {!isMissing && <RestoreKeySection isNeeded={false} />}
      <RotationSection state={state} />
    </>
  );
}

function VaultHeadline({ state }: { state: VaultKeyState }) {
  const { t } = useTranslation();
  const { standing, tone } = vaultStanding(state);
  const at = state.download === null ? '' : formatMinute(state.download.atMs);
  const values = { count: state.unreadable, number: formatCount(state.unreadable), at };
  return (
    <Headline tone={tone} text={t(`vault:standing.${standing}`, values)}>
      <HeadlineNote>{t(`vault:standingNote.${standing}`)}</HeadlineNote>
    </Headline>
  );
}

function KeyFacts({ state }: { state: VaultKeyState }) {
  const { t } = useTranslation();
  const { keyId, since, formerKeyIds, download, lastRotation } = state;
  return (
    <Facts
      rows={[
        [
          t('vault:facts.key'),
          <span key="key" className="b-mono">
            {groupedKeyId(keyId)}
          </span>,
        ],
        [t('vault:facts.since'), since === null ? t('vault:facts.sinceStart') : formatInstant(since)],
        [
          t('vault:facts.download'),
          download === null ? (
            <StateMark key="never" tone="warn">
              {t('shared:never')}
            </StateMark>
          ) : (
            <StateMark key="download" tone={download.isOutdated ? 'warn' : 'ok'}>
              {t('vault:facts.atBy', { at: formatInstant(download.atMs), by: download.by })}
              {download.isOutdated && ` · ${t('vault:facts.outdated')}`}
            </StateMark>
          ),
        ],
        [
          t('vault:facts.rotated'),
          lastRotation === null
            ? t('shared:never')
            : t('vault:facts.atBy', { at: formatInstant(lastRotation.atMs), by: lastRotation.by }),
        ],
        ...(formerKeyIds.length === 0
          ? []
          : [[t('vault:facts.former'), formerKeyIds.map((one) => groupedKeyId(one)).join(', ')] as [string, string]]),
      ]}
    />
  );
}
