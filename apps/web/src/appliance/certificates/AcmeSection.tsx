import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Button } from '@mantine/core';
import type { AcmeState, CertificatesState } from '@bascule/protocol/api/certificates.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { Headline, HeadlineNote } from '../../shared/Headline.tsx';
import { Section, type Tone } from '../../shared/Section.tsx';
import { formatMinute } from '../../shared/format.ts';
import { AcmeDialog } from './AcmeDialog.tsx';
import { nameOf } from './certificate-texts.ts';
import { useOrderNow } from './certificates-queries.ts';

/** Automatic certificates (ACME): how it stands, in words. */
export function AcmeSection({ state }: { state: CertificatesState }) {
  const { t } = useTranslation();
  const order = useOrderNow();
  const [isOpen, setOpen] = useState(false);
  const { acme } = state;
  const got = state.certificates.find(({ id }) => id === acme.certificate);
  const { settings, lastFailure, nextAtMs, running } = acme;
  return (
    <Section
      title={t('certificates:acme.title')}
      note={t('certificates:acme.note')}
      actions={
        <>
          {settings.isOn && (
            <Button variant="default" loading={order.isPending || running !== null} onClick={() => order.mutate()}>
              {t('certificates:acme.now')}
            </Button>
          )}
          <Button variant="default" onClick={() => setOpen(true)}>
            {t('certificates:acme.settings')}
          </Button>
        </>
      }
    >
      <FormFailure error={order.error} />
      <Headline tone={toneOf(acme)} text={headline()}>
        {lastFailure !== null && (
          <HeadlineNote>
            {t('certificates:acme.failed', {
              count: lastFailure.failures,
              at: formatMinute(lastFailure.atMs),
              text: lastFailure.text,
            })}
          </HeadlineNote>
        )}
        {settings.isOn && nextAtMs !== null && running === null && (
          <HeadlineNote>{t('certificates:acme.next', { at: formatMinute(nextAtMs) })}</HeadlineNote>
        )}
        {got !== undefined && !got.inUse && <HeadlineNote isStrong>{t('certificates:acme.notUsed')}</HeadlineNote>}
        {settings.isOn && settings.challenge === 'http-01' && state.httpPort === null && (
          <HeadlineNote isStrong>{t('certificates:acme.noHttp')}</HeadlineNote>
        )}
      </Headline>
      {isOpen && <AcmeDialog settings={settings} onClose={() => setOpen(false)} />}
    </Section>
  );

  function headline(): string {
    if (running !== null) return t(`certificates:acme.phase.${running}`);
    if (!settings.isOn) return t('certificates:acme.off');
    const until = got?.facts == null ? undefined : formatMinute(got.facts.notAfterMs);
    if (got === undefined || until === undefined) return t('certificates:acme.none', { names: settings.names.join(', ') });
    return t('certificates:acme.on', { name: nameOf(got), until });
  }
}

function toneOf({ settings, running, lastFailure, certificate }: AcmeState): Tone {
  if (!settings.isOn) return 'off';
  if (lastFailure !== null) return 'warn';
  return running !== null || certificate === null ? 'warn' : 'ok';
}
