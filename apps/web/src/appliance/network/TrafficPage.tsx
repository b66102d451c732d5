import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button, Skeleton } from '@mantine/core';
import type { TrafficState } from '@bascule/protocol/api/network.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Facts, Section, StateMark } from '../../shared/Section.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { formatInstant } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';
import { ResolutionSection } from './ResolutionSection.tsx';
import { TrafficForm } from './TrafficForm.tsx';
import { useRefreshNetwork, useTraffic } from './network-queries.ts';

const SKELETON_HEIGHT_PX = 420;
const TONES = { running: 'warn', done: 'ok', failed: 'bad' } as const;

/** Networking > Traffic (B139-B141): how requests come to whoever is primary. */
export function TrafficPage() {
  const { t } = useTranslation();
  const traffic = useTraffic();
  if (traffic.data === undefined)
    return traffic.isError ? (
      <QueryFailure query={traffic} />
    ) : (
      <Skeleton height={SKELETON_HEIGHT_PX} aria-label={t('shared:loading')} />
    );
  return (
    <>
      <StateSection state={traffic.data} />
      <ResolutionSection state={traffic.data} />
      <Section title={t('network:settings.title')} note={t('network:settings.note')}>
        <TrafficForm saved={traffic.data.settings} hooks={traffic.data.hooks} />
      </Section>
    </>
  );
}

function StateSection({ state }: { state: TrafficState }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshNetwork();
  const move = useMutation({
    mutationFn: async () => {
      await api.post(apiPaths.moveTraffic, anyAnswer);
      await refresh();
    },
  });
  const { holds, lastMove, settings } = state;
  const rows: [string, React.ReactNode][] = [
    [
      t('network:traffic.holds'),
      <StateMark key="holds" tone={holds ? 'ok' : 'off'}>
        {t(holds ? 'network:traffic.here' : 'network:traffic.notHere')}
      </StateMark>,
    ],
    [t('network:traffic.way'), t(`network:way.${settings.way}`)],
  ];
  if (lastMove !== null)
    rows.push(
      [
        t('network:traffic.lastMove'),
        <StateMark key="move" tone={TONES[lastMove.outcome]}>
          {t(`network:move.${lastMove.to}.${lastMove.outcome}`)} – {formatInstant(lastMove.atMs)}
        </StateMark>,
      ],
      [t('network:traffic.detail'), lastMove.text],
    );
  return (
    <Section
      title={t('network:traffic.title')}
      note={t('network:traffic.note')}
      actions={
        <Button variant="default" disabled={!holds} loading={move.isPending} onClick={() => move.mutate()}>
          {t('network:traffic.again')}
        </Button>
      }
    >
      <FormFailure error={move.error} />
      <Facts rows={rows} />
    </Section>
  );
}
