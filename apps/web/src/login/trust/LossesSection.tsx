import { useState, type SubmitEvent } from 'react';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button, Select, Stack } from '@mantine/core';
import type { PlannedChange } from '@bascule/protocol/losses.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { Section } from '../../shared/Section.tsx';
import { CertificateFields, HostNameFields, PackageFields } from './ChangeFields.tsx';
import { LossesResult } from './LossesResult.tsx';
import { CHANGE_KINDS, changeOf, FIRST_CHANGE, type ChangeDraft } from './trust-model.ts';
import { useLosses } from './trust-queries.ts';
import classes from './trust.module.css';

/** 'Who would I lose?': a change is described, looked at in a dry run, and nothing is changed. */
export function LossesSection() {
  const { t } = useTranslation();
  const ask = useLosses();
  const [draft, setDraft] = useState<ChangeDraft>(() => ({ ...FIRST_CHANGE, port: Number(location.port) || FIRST_CHANGE.port }));
  const look = useMutation({ mutationFn: (change: PlannedChange) => ask(change) });
  const change = changeOf(draft);
  const edit = (part: Partial<ChangeDraft>) => {
    setDraft((before) => ({ ...before, ...part }));
    // An answer about another change than the one on the screen would be taken for this one's.
    look.reset();
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (change !== undefined) look.mutate(change);
  };
  return (
    <Section title={t('trust:losses.title')} note={t('trust:losses.note')}>
      <form onSubmit={submit} className="b-panel">
        <Stack gap="sm" className={classes['form']}>
          <Select
            label={t('trust:losses.change')}
            data={CHANGE_KINDS.map((kind) => ({ value: kind, label: t(`trust:change.${kind}`) }))}
            value={draft.kind}
            onChange={(next) => edit({ kind: CHANGE_KINDS.find((kind) => kind === next) ?? draft.kind })}
          />
          {draft.kind === 'certificate' && <CertificateFields draft={draft} edit={edit} />}
          {draft.kind === 'host-name' && <HostNameFields draft={draft} edit={edit} />}
          {draft.kind === 'package' && <PackageFields draft={draft} edit={edit} />}
          <div>
            <Button type="submit" loading={look.isPending} disabled={change === undefined}>
              {t('trust:losses.look')}
            </Button>
          </div>
          <FormFailure error={look.error} />
        </Stack>
      </form>
      {look.data !== undefined && <LossesResult losses={look.data} />}
    </Section>
  );
}
