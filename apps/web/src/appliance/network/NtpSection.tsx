import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { Anchor, Text } from '@mantine/core';
import { ntpState } from '@bascule/protocol/api/updates.ts';
import { Section } from '../../shared/Section.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';
import { appliancePaths } from '../appliance-paths.ts';
import { NtpForm } from './NtpForm.tsx';
import { NTP_KEY } from './ntp-key.ts';

/** The NTP setting at its place on IP configuration (B14); how far the clock is off is on a page of its own. */
export function NtpSection() {
  const { t } = useTranslation();
  const api = useApi();
  const { data } = useQuery({
    queryKey: NTP_KEY,
    queryFn: ({ signal }) => api.get(apiPaths.ntp, ntpState, {}, signal),
  });
  if (data === undefined) return null;
  return (
    <Section title={t('appliance:ntp.title')} note={t('appliance:ntp.note')}>
      <NtpForm saved={data.settings} />
      <Text mt="sm">
        <Anchor component={Link} to={appliancePaths.ntp} inherit>
          {t('network:addresses.toClock')}
        </Anchor>
      </Text>
    </Section>
  );
}
