import { useState } from 'react';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Alert, Button, Text } from '@mantine/core';
import type { UpdatesState } from '@bascule/protocol/api/updates.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { Section } from '../../shared/Section.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';
import { CheckResult } from './CheckResult.tsx';
import { InstallDialog, type Intent } from './InstallDialog.tsx';
import { OfferCard } from './OfferCard.tsx';
import { UpgradePath } from './UpgradePath.tsx';
import { packageName } from './update-texts.ts';
import { availableOffers, backUpThenInstall, isHeldBack, leftOf } from './updates-model.ts';
import { useRefreshUpdates } from './updates-queries.ts';
import classes from './updates.module.css';

/** A path of these two steps alone says no more than the offer above it. */
const SNAPSHOT_AND_INSTALL = 2;

/** Check for Updates, what the last check found, and what can be installed. */
export function AvailableUpdates({ state }: { state: UpdatesState }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshUpdates();
  const [intent, setIntent] = useState<Intent>();
  const check = useMutation({
    mutationFn: async () => {
      await api.post(apiPaths.updatesAction('check'), anyAnswer);
      await refresh();
    },
  });
  const offers = availableOffers(state);
  const isBusy = state.running !== null;
  const mayCheck = state.settings.serverUrl !== '' && state.trust !== null;
  const next = state.offers.find((offer) => offer.target === backUpThenInstall(state.path));
  const isUrged = next !== undefined && !isHeldBack(state, next);
  return (
    <Section
      title={t('updates:available.title')}
      actions={
        <Button
          variant="default"
          loading={check.isPending || state.isChecking}
          disabled={!mayCheck || isBusy}
          onClick={() => check.mutate()}
        >
          {t('updates:available.check')}
        </Button>
      }
    >
      <CheckResult state={state} />
      <FormFailure error={check.error} />
      {isUrged && (
        <Alert role="note" title={t('updates:available.snapshotThenTitle', packageOf(next))} mb="sm">
          <Text mb="xs">{t('updates:available.snapshotThenNote')}</Text>
          <Button disabled={isBusy} onClick={() => setIntent({ operation: 'install', offer: next })}>
            {t('updates:available.snapshotThen', packageOf(next))}
          </Button>
        </Alert>
      )}
      {state.path.length > (next === undefined ? 1 : SNAPSHOT_AND_INSTALL) && (
        <UpgradePath path={state.path} offers={state.offers} />
      )}
      <ul className={classes['offers']} aria-label={t('updates:available.title')}>
        {offers.map((offer) => (
          <OfferCard key={offer.target} offer={offer} left={leftOf(state, offer)} isBusy={isBusy} onIntent={setIntent} />
        ))}
      </ul>
      {offers.length === 0 && <p className={classes['nothing']}>{t('updates:available.none')}</p>}
      {intent !== undefined && <InstallDialog intent={intent} onClose={() => setIntent(undefined)} />}
    </Section>
  );

  function packageOf(offer: { manifest: { kind: 'base' | 'site' | 'licence'; version: string } }) {
    return { name: packageName(t, offer.manifest.kind, offer.manifest.version) };
  }
}
