import { useState, type SubmitEvent } from 'react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Alert, Button, Checkbox, Group, NumberInput, Stack, Text } from '@mantine/core';
import { retention as retentionSchema, type Retention, type RetentionState } from '@bascule/protocol/api/storage.ts';
import { useConfirm } from '../../shared/ConfirmDialog.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { formatBytes, formatCount, formatInstant } from '../../shared/format.ts';
import { notifyDone } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import classes from '../updates/updates.module.css';

const FIELDS = [
  { name: 'recordingsMaxDays', usual: 365 },
  { name: 'recordingsMaxGibibytes', usual: 100 },
  { name: 'reportsMaxDays', usual: 730 },
] as const;

/** How long recordings and reports are kept. What is removed is gone: it asks first. */
export function RetentionForm({ saved }: { saved: RetentionState }) {
  const { t } = useTranslation();
  const api = useApi();
  const client = useQueryClient();
  const { ask, dialog } = useConfirm();
  const [changes, setChanges] = useState<Partial<Retention>>({});
  const draft = { ...saved.settings, ...changes };
  const save = useMutation({
    mutationFn: async () => {
      await api.put(apiPaths.retention, anyAnswer, draft);
      await client.invalidateQueries({ queryKey: ['storage'] });
    },
    onSuccess: () => {
      setChanges({});
      notifyDone(t('storage:retention.saved'));
    },
  });
  const isChanged = JSON.stringify(draft) !== JSON.stringify(saved.settings);
  const isValid = retentionSchema.safeParse(draft).success;
  const isShorter = FIELDS.some(({ name }) => (draft[name] ?? Infinity) < (saved.settings[name] ?? Infinity));
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (!isValid) return;
    if (!isShorter) return save.mutate();
    ask({
      title: t('storage:retention.askTitle'),
      consequences: t('storage:retention.consequences'),
      confirm: t('storage:retention.confirm'),
      dangerous: true,
      act: () => save.mutateAsync(),
    });
  };
  const { lastRun } = saved;
  return (
    <form onSubmit={submit} className={classes['form']}>
      <Stack gap="sm">
        {!saved.decidesHere && (
          <Alert color="yellow" role="note" py="xs">
            {t('storage:retention.primaryDecides')}
          </Alert>
        )}
        {FIELDS.map(({ name, usual }) => (
          <Group key={name} align="center" wrap="nowrap">
            <Checkbox
              label={t(`storage:limit.${name}`)}
              checked={draft[name] !== null}
              disabled={!saved.decidesHere}
              onChange={(event) => setChanges({ ...changes, [name]: event.currentTarget.checked ? usual : null })}
              style={{ flex: 1 }}
            />
            <NumberInput
              aria-label={t(`storage:limit.${name}`)}
              value={draft[name] ?? ''}
              onChange={(value) => setChanges({ ...changes, [name]: value === '' ? null : Number(value) })}
              disabled={draft[name] === null || !saved.decidesHere}
              suffix={` ${t(`storage:unit.${name}`)}`}
              allowDecimal={false}
              min={1}
              w={150}
            />
          </Group>
        ))}
        <Text size="sm" c="dimmed">
          {lastRun === null
            ? t('storage:retention.neverRemoved')
            : t('storage:retention.lastRun', {
                time: formatInstant(lastRun.atMs),
                recordings: formatCount(lastRun.recordings),
                bytes: formatBytes(lastRun.recordingBytes),
                reports: formatCount(lastRun.reports),
              })}
        </Text>
        <FormFailure error={save.error} />
        <Group>
          <Button type="submit" loading={save.isPending} disabled={!isChanged || !isValid}>
            {t('shared:save')}
          </Button>
          <Button variant="default" disabled={!isChanged} onClick={() => setChanges({})}>
            {t('shared:undo')}
          </Button>
        </Group>
      </Stack>
      {dialog}
    </form>
  );
}
