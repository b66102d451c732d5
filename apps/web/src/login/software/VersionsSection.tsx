import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { Anchor, Skeleton } from '@mantine/core';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Facts, Section } from '../../shared/Section.tsx';
import { formatCount } from '../../shared/format.ts';
import { pagePaths } from '../../shared/paths.ts';
import { useRollout } from '../fleet/fleet-queries.ts';
import { loginPaths } from '../login-paths.ts';
import { useSiteStatus } from '../status/site-status.ts';

const FACTS_HEIGHT_PX = 74;

/** What runs here: the site, its clients, and where the base and the updates are. */
export function VersionsSection() {
  const { t } = useTranslation();
  const status = useSiteStatus();
  const rollout = useRollout();
  const counts = rollout.data?.counts;
  const clients =
    counts === undefined ? (
      '–'
    ) : (
      <>
        {t('backup:versions.clientCounts', { current: formatCount(counts.current), total: formatCount(counts.total) })}{' '}
        <Link to={loginPaths.clientUpgrades}>{t('backup:versions.toClients')}</Link>
      </>
    );
  return (
    <Section title={t('backup:versions.title')}>
      {status.data === undefined && status.isError && <QueryFailure query={status} />}
      {status.data === undefined && !status.isError && <Skeleton height={FACTS_HEIGHT_PX} aria-label={t('shared:loading')} />}
      {status.data !== undefined && (
        <Facts
          rows={[
            [t('backup:versions.site'), `${status.data.version} · ${status.data.applianceName}`],
            [t('backup:versions.clients'), clients],
            [
              t('backup:versions.base'),
              <span key="base">
                {status.data.baseVersion !== null && `${status.data.baseVersion} · `}
                <Anchor href={pagePaths.appliance} inherit>
                  {t('backup:versions.toBase')}
                </Anchor>
              </span>,
            ],
          ]}
        />
      )}
    </Section>
  );
}
