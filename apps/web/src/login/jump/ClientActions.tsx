import { useTranslation } from 'react-i18next';
import { Button } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { Rollout } from '@bascule/protocol/api/fleet.ts';
import { StateMark } from '../../shared/Section.tsx';
import { formatCount } from '../../shared/format.ts';
import { headlineOf } from '../fleet/fleet-model.ts';
import { useRollout } from '../fleet/fleet-queries.ts';
import { loginPaths } from '../login-paths.ts';

/** From the list of Jump Clients to the wizard that installs more of them, and to their upgrades, with how these go while there is something to go on. */
export function ClientActions() {
  const { t } = useTranslation();
  const { data: rollout } = useRollout();
  const isUnderWay = rollout !== undefined && ['running', 'paused', 'halted'].includes(rollout.state);
  return (
    <>
      {isUnderWay && <UpgradeState rollout={rollout} />}
      <Button component={Link} to={loginPaths.clientUpgrades} variant="default">
        {t('login:tab.clientUpgrades')}
      </Button>
      <Button component={Link} to={loginPaths.newInstaller}>
        {t('login:jump.installOnMachines')}
      </Button>
    </>
  );
}

function UpgradeState({ rollout }: { rollout: Rollout }) {
  const { t } = useTranslation();
  const { kind, tone, count } = headlineOf(rollout);
  const { version } = rollout;
  return <StateMark tone={tone}>{t(`fleet:headline.${kind}`, { version, count, number: formatCount(count) })}</StateMark>;
}
