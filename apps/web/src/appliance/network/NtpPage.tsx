import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import type { z } from 'zod';
import { Alert, Button, Skeleton } from '@mantine/core';
import { ntpState, type ClockState } from '@bascule/protocol/api/updates.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Facts, Section } from '../../shared/Section.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { formatInstantWithZone } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';
import { ClockLine } from '../ClockLine.tsx';
import { signedOffset } from '../updates/updates-model.ts';
import { useTickingNow } from '../updates/use-ticking-now.ts';
import { NtpForm } from './NtpForm.tsx';
import { NTP_KEY } from './ntp-key.ts';

type NtpState = z.infer<typeof ntpState>;
const REFRESH_MS = 5_000;
const SKELETON_HEIGHT_PX = 420;

/** Networking > NTP (B14, B80, B81): the clock, how far it is off and by whom that is known. */
export function NtpPage() {
  const { t } = useTranslation();
  const api = useApi();
  const client = useQueryClient();
  const ntp = useQuery({
    queryKey: NTP_KEY,
    queryFn: ({ signal }) => api.get(apiPaths.ntp, ntpState, {}, signal),
    refetchInterval: REFRESH_MS,
  });
  const check = useMutation({
    mutationFn: async () => {
      await api.post(apiPaths.checkNtp, anyAnswer);
      await client.invalidateQueries({ queryKey: NTP_KEY });
    },
  });
  if (ntp.data === undefined)
    return ntp.isError ? <QueryFailure query={ntp} /> : <Skeleton height={SKELETON_HEIGHT_PX} aria-label={t('shared:loading')} />;
  const { settings } = ntp.data;
  return (
    <>
      <Section
        title={t('appliance:ntp.clock')}
        note={t('appliance:ntp.clockNote')}
        actions={
          <Button variant="default" loading={check.isPending} disabled={!settings.isOn} onClick={() => check.mutate()}>
            {t('appliance:ntp.check')}
          </Button>
        }
      >
        <FormFailure error={check.error} />
        <ClockWarning clock={ntp.data.clock} />
        <ClockFacts state={ntp.data} />
      </Section>
      <Section title={t('appliance:ntp.title')} note={t('appliance:ntp.note')}>
        <NtpForm saved={settings} />
      </Section>
    </>
  );
}

function ClockWarning({ clock }: { clock: ClockState }) {
  const { t } = useTranslation();
  if (clock.state !== 'behind' && clock.state !== 'off') return null;
  return (
    <Alert color="red" role="alert" mb="sm" title={t(`appliance:ntp.warning.${clock.state}.title`)}>
      {t(`appliance:ntp.warning.${clock.state}.text`, { at: formatInstantWithZone(clock.highestSeenMs) })}
    </Alert>
  );
}

function ClockFacts({ state: { clock, hostSynchronised, hostServers } }: { state: NtpState }) {
  const { t, i18n } = useTranslation();
  const effectiveMs = useTickingNow(clock.effectiveMs);
  const none = '–';
  const host = hostSynchronised === null ? 'unknown' : hostSynchronised ? 'yes' : 'no';
  return (
    <Facts
      rows={[
        [t('appliance:ntp.systemTime'), <ClockLine key="system" clock={clock} />],
        [
          t('appliance:ntp.effectiveTime'),
          <span key="effective" className="b-mono">
            {formatInstantWithZone(effectiveMs)}
          </span>,
        ],
        [t('appliance:ntp.server'), clock.server ?? none],
        [t('appliance:ntp.offset'), clock.offsetMs === null ? none : signedOffset(clock.offsetMs, i18n.language)],
        [t('appliance:ntp.delay'), clock.delayMs === null ? none : `${Math.round(clock.delayMs)} ms`],
        [t('appliance:ntp.checkedAt'), clock.checkedAtMs === null ? t('shared:never') : formatInstantWithZone(clock.checkedAtMs)],
        [t('appliance:ntp.highestSeen'), formatInstantWithZone(clock.highestSeenMs)],
        [t('appliance:ntp.host'), [t(`appliance:ntp.hosts.${host}`), hostServers.join(', ')].filter(Boolean).join(' – ')],
      ]}
    />
  );
}
