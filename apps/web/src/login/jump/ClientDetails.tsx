import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button, CloseButton } from '@mantine/core';
import { fleetClient } from '@bascule/protocol/api/fleet.ts';
import type { JumpItem } from '@bascule/protocol/api/jump.ts';
import { Facts } from '../../shared/Section.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { formatInstant, formatMinute } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';
import { ItemState, Tags } from './jump-item-columns.tsx';
import { PresenceMark } from './PresenceMark.tsx';
import { UpgradeMark } from './UpgradeMark.tsx';
import classes from './clients.module.css';

/** Everything about one Jump Client: version and revision, and how its upgrade stands and why (B108). */
export function ClientDetails({ item, onEdit, onClose }: { item: JumpItem; onEdit: () => void; onClose: () => void }) {
  const { t } = useTranslation();
  const reason = useUpgradeReason(item);
  const mono = (text: string) => <span className="b-mono">{text || '–'}</span>;
  const nextCheckIn: [string, string][] =
    item.nextCheckInMs === null ? [] : [[t('login:jump.nextCheckIn'), formatMinute(item.nextCheckInMs)]];
  return (
    <aside className={classes['details']} aria-label={t('login:jump.details', { name: item.name })}>
      <div className={classes['detailsHead']}>
        <h3>{item.name}</h3>
        <CloseButton aria-label={t('shared:close')} onClick={onClose} />
      </div>
      <Button size="compact-sm" variant="default" onClick={onEdit}>
        {t('login:jump.edit')}
      </Button>
      <Facts
        rows={[
          [t('login:jump.state'), <ItemState key="state" item={item} />],
          [t('login:jump.presence'), <PresenceMark key="presence" item={item} />],
          ...nextCheckIn,
          [t('login:jump.version'), mono(item.version)],
          [t('login:jump.revision'), mono(item.revision)],
          [t('login:jump.upgrade'), <UpgradeMark key="upgrade" item={item} />],
          ...(reason === undefined ? [] : [[t('login:jump.upgradeReason'), reason] satisfies [string, string]]),
          [t('login:jump.mode'), t(`login:jump.modes.${item.mode}`)],
          [t('login:jump.group'), item.groupName ?? '–'],
          [t('login:jump.tags'), item.tags.length === 0 ? '–' : <Tags key="tags" tags={item.tags} />],
          [t('login:jump.host'), mono(item.hostName)],
          [t('login:jump.os'), item.os],
          [t('login:jump.addresses'), mono(item.addresses.join(', '))],
          [t('login:jump.runsAs'), mono(item.runsAs)],
          [t('login:jump.sessions'), String(item.sessions)],
          [t('login:jump.comment'), item.comment || '–'],
        ]}
      />
    </aside>
  );
}

/** Why an upgrade failed or was taken back, and when it is tried again. */
function useUpgradeReason(item: JumpItem): string | undefined {
  const { t } = useTranslation();
  const api = useApi();
  const isAsked = item.upgrade === 'failed' || item.upgrade === 'rolled-back';
  const { data } = useQuery({
    queryKey: ['fleet', 'client', item.id],
    queryFn: ({ signal }) => api.get(apiPaths.fleetClient(item.id), fleetClient, {}, signal),
    enabled: isAsked,
    retry: false,
  });
  if (!isAsked || data === undefined) return undefined;
  const again = data.nextTryAtMs === null ? '' : t('login:jump.triedAgain', { time: formatInstant(data.nextTryAtMs) });
  return [data.reason ?? data.failure ?? '', again].filter(Boolean).join(' ') || undefined;
}
