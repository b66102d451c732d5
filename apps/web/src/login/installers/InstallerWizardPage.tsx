import { useEffect, useRef, useState, type SubmitEvent } from 'react';
import { useMutation } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { Button, Group, Skeleton, Title } from '@mantine/core';
import type { z } from 'zod';
import { createdInstaller } from '@bascule/protocol/api/installers.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { ApiError, LONG_TIMEOUT_MS } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';
import { loginPaths } from '../login-paths.ts';
import { CreatedInstallerSection } from './CreatedInstallerSection.tsx';
import { InstallerSummary } from './InstallerSummary.tsx';
import { PlaceStep, ProgramStep, ValidityStep } from './WizardSteps.tsx';
import { faultsOf, FIRST_DRAFT, stepOfField, STEPS, type InstallerDraft, type Step } from './installer-draft.ts';
import { useInstallers, useRefreshInstallers } from './installer-queries.ts';
import classes from './installers.module.css';

/** As the site made it, with what it does not say again of the draft. */
export type CreatedInstaller = z.infer<typeof createdInstaller> & Pick<InstallerDraft, 'approveEach'>;

/** The mass deployment wizard: which program, where its clients go, how long and how often it works; then the files and the key. */
export function InstallerWizardPage({ version }: { version: InstallerDraft['version'] }) {
  const { t } = useTranslation();
  const [created, setCreated] = useState<CreatedInstaller>();
  const { data: known, isPending } = useInstallers();
  if (created !== undefined) return <CreatedInstallerSection created={created} />;
  if (isPending) return <Skeleton height={320} aria-label={t('shared:loading')} />;
  return <Wizard firstDraft={{ ...FIRST_DRAFT, version, ...(known && { mode: known.defaultMode }) }} onCreated={setCreated} />;
}

function Wizard({ firstDraft, onCreated }: { firstDraft: InstallerDraft; onCreated: (created: CreatedInstaller) => void }) {
  const { t } = useTranslation();
  const api = useApi();
  const navigate = useNavigate();
  const refresh = useRefreshInstallers();
  const [draft, setDraft] = useState(firstDraft);
  const [step, setStep] = useState<Step>('program');
  const [isTried, setTried] = useState(false);
  const send = useMutation({
    mutationFn: () => api.post(apiPaths.installers, createdInstaller, draft, LONG_TIMEOUT_MS),
    onSuccess: async (created) => {
      onCreated({ ...created, approveEach: draft.approveEach });
      await refresh();
    },
    // What was refused is shown where it is asked for.
    onError: (error) => goTo((error instanceof ApiError && stepOfField(error.field)) || 'check'),
  });
  const index = STEPS.indexOf(step);
  const faults = faultsOf(step, draft);
  const goTo = (next: Step) => {
    setTried(false);
    setStep(next);
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const next = STEPS[index + 1];
    if (faults.length > 0) setTried(true);
    else if (next === undefined) send.mutate();
    else goTo(next);
  };
  const change = (part: Partial<InstallerDraft>) => setDraft({ ...draft, ...part });
  const shownFaults = isTried ? faults : [];
  return (
    <section aria-label={t('installers:wizard.title')} className={classes['wizard']}>
      <Title order={2}>{t('installers:wizard.title')}</Title>
      <StepList step={step} />
      <form onSubmit={submit} className={classes['step']} noValidate>
        <StepTitle step={step} />
        {step === 'program' && <ProgramStep draft={draft} change={change} faults={shownFaults} />}
        {step === 'place' && <PlaceStep draft={draft} change={change} faults={shownFaults} />}
        {step === 'validity' && <ValidityStep draft={draft} change={change} faults={shownFaults} />}
        {step === 'check' && <InstallerSummary draft={draft} />}
        <FormFailure error={send.error} />
        <Group mt="md">
          <Button variant="default" onClick={() => void navigate({ to: loginPaths.installers })}>
            {t('shared:cancel')}
          </Button>
          <Button variant="default" ml="auto" disabled={index === 0} onClick={() => goTo(STEPS[index - 1] ?? step)}>
            {t('installers:wizard.back')}
          </Button>
          <Button type="submit" loading={send.isPending}>
            {step === 'check' ? t('installers:wizard.create') : t('installers:wizard.next')}
          </Button>
        </Group>
      </form>
    </section>
  );
}

/** Where one is in the wizard. */
function StepList({ step }: { step: Step }) {
  const { t } = useTranslation();
  const current = STEPS.indexOf(step);
  return (
    <ol className={classes['steps']} aria-label={t('installers:wizard.steps')}>
      {STEPS.map((one, index) => (
        <li key={one} aria-current={one === step ? 'step' : undefined} data-done={index < current}>
          <span className={classes['stepNumber']} aria-hidden="true">
            {index < current ? '✓' : index + 1}
          </span>
          {t(`installers:wizard.step.${one}`)}
        </li>
      ))}
    </ol>
  );
}

/** The step's heading takes the focus when the step changes, so that it is read aloud and Tab goes on from there. */
function StepTitle({ step }: { step: Step }) {
  const { t } = useTranslation();
  const heading = useRef<HTMLHeadingElement>(null);
  const shown = useRef(step);
  useEffect(() => {
    if (shown.current !== step) heading.current?.focus();
    shown.current = step;
  }, [step]);
  return (
    <Title order={3} ref={heading} tabIndex={-1} fz="md" mb="sm" className={classes['stepTitle']}>
      {t('installers:wizard.stepOf', {
        index: STEPS.indexOf(step) + 1,
        total: STEPS.length,
        step: t(`installers:wizard.step.${step}`),
      })}
    </Title>
  );
}
