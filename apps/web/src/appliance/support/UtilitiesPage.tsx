import { useState, type SubmitEvent } from 'react';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button, Group, NumberInput, SegmentedControl, Select, Stack, TextInput } from '@mantine/core';
import { DNS_RECORD_TYPES, utility as utilitySchema, utilityAnswer } from '@bascule/protocol/api/support.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { Section, StateMark } from '../../shared/Section.tsx';
import { LONG_TIMEOUT_MS } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';
import classes from './support.module.css';

const KINDS = ['tcp', 'dns', 'ping', 'traceroute'] as const;
type Kind = (typeof KINDS)[number];
const PINGS = 4;

/** Support > Utilities: what the appliance reaches, and what it does not. */
export function UtilitiesPage() {
  const { t } = useTranslation();
  const api = useApi();
  const [kind, setKind] = useState<Kind>('tcp');
  const [target, setTarget] = useState('');
  const [port, setPort] = useState<number | string>(443);
  const [type, setType] = useState<(typeof DNS_RECORD_TYPES)[number]>('A');
  const draft = {
    tcp: { kind, target, port },
    dns: { kind, target, type },
    ping: { kind, target, count: PINGS },
    traceroute: { kind, target },
  }[kind];
  const checked = utilitySchema.safeParse(draft);
  const run = useMutation({ mutationFn: () => api.post(apiPaths.utilities, utilityAnswer, draft, LONG_TIMEOUT_MS) });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (checked.success) run.mutate();
  };
  return (
    <Section title={t('support:utilities.title')} note={t('support:utilities.note')}>
      <form onSubmit={submit}>
        <Stack gap="sm" maw={640}>
          <SegmentedControl
            aria-label={t('support:utilities.kind')}
            data={KINDS.map((value) => ({ value, label: t(`support:utility.${value}`) }))}
            value={kind}
            onChange={(value) => {
              run.reset();
              setKind(KINDS.find((known) => known === value) ?? 'tcp');
            }}
          />
          <Group align="end" wrap="nowrap">
            <TextInput
              label={t('support:utilities.target')}
              placeholder="example.org"
              value={target}
              onChange={(event) => setTarget(event.currentTarget.value.trim())}
              error={target !== '' && !checked.success ? t('support:utilities.wrong') : undefined}
              required
              spellCheck={false}
              style={{ flex: 1 }}
            />
            {kind === 'tcp' && (
              <NumberInput
                label={t('support:utilities.port')}
                value={port}
                onChange={setPort}
                min={1}
                max={65_535}
                allowDecimal={false}
                w={110}
                required
              />
            )}
            {kind === 'dns' && (
              <Select
                label={t('support:utilities.type')}
                data={[...DNS_RECORD_TYPES]}
                value={type}
                onChange={(value) => setType(DNS_RECORD_TYPES.find((known) => known === value) ?? 'A')}
                allowDeselect={false}
                w={110}
              />
            )}
            <Button type="submit" loading={run.isPending} disabled={!checked.success}>
              {t('support:utilities.run')}
            </Button>
          </Group>
          <FormFailure error={run.error} />
        </Stack>
      </form>
      <div aria-live="polite" className={classes['result']}>
        {run.isPending && t('support:utilities.running')}
        {!run.isPending && run.data !== undefined && (
          <>
            <StateMark tone={run.data.ok ? 'ok' : 'bad'}>
              {t(run.data.ok ? 'support:utilities.ok' : 'support:utilities.failed', {
                seconds: (run.data.durationMs / 1000).toFixed(1),
              })}
            </StateMark>
            <pre className={classes['output']} lang="en" tabIndex={0} aria-label={t('support:utilities.output')}>
              {run.data.output}
            </pre>
          </>
        )}
      </div>
    </Section>
  );
}
