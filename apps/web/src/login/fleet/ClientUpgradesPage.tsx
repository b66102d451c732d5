import { useTranslation } from 'react-i18next';
import { Alert, Button, Skeleton, Text } from '@mantine/core';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Section } from '../../shared/Section.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';
import { FleetClientsSection } from './FleetClientsSection.tsx';
import { RingsTable } from './RingsTable.tsx';
import { RolloutActions } from './RolloutActions.tsx';
import { RolloutCharts } from './RolloutCharts.tsx';
import { RolloutHeadline } from './RolloutHeadline.tsx';
import { RolloutProgress } from './RolloutProgress.tsx';
import { useRollout } from './fleet-queries.ts';

const PICTURE_HEIGHT_PX = 520;

/** Jump > Client upgrades: how far the clients have come with the site's version, and what hinders the others (B100-B113). */
export function ClientUpgradesPage() {
  const { t } = useTranslation();
  return (
    <>
      <Section title={t('fleet:title')} note={t('fleet:note')} actions={<RolloutActions />}>
        <Picture />
      </Section>
      <FleetClientsSection />
      <ReportsSection />
    </>
  );
}

function Picture() {
  const { t } = useTranslation();
  const rollout = useRollout();
  if (rollout.data === undefined)
    return rollout.isError ? (
      <QueryFailure query={rollout} />
    ) : (
      <Skeleton height={PICTURE_HEIGHT_PX} aria-label={t('shared:loading')} />
    );
  return (
    <>
      <RolloutHeadline rollout={rollout.data} />
      {rollout.isError && (
        <Alert color="yellow" role="status" py="xs" mb="sm">
          {t('fleet:stale')}
        </Alert>
      )}
      <RolloutProgress rollout={rollout.data} />
      <RolloutCharts rollout={rollout.data} />
      <RingsTable rollout={rollout.data} />
    </>
  );
}

/** What proves afterwards that all clients are upgraded (B113). */
function ReportsSection() {
  const { t } = useTranslation();
  const api = useApi();
  const actions = (
    <>
      <Button component="a" variant="default" href={api.url(apiPaths.fleetExport, { format: 'csv' })} download>
        {t('fleet:export.csv')}
      </Button>
      <Button component="a" variant="default" href={api.url(apiPaths.fleetExport, { format: 'json' })} download>
        {t('fleet:export.json')}
      </Button>
      <Button component="a" href={api.url(apiPaths.fleetProof)} download>
        {t('fleet:export.proof')}
      </Button>
    </>
  );
  return (
    <Section title={t('fleet:export.title')} actions={actions}>
      <Text maw="80ch" className="b-quiet">
        {t('fleet:export.note')}
      </Text>
    </Section>
  );
}
