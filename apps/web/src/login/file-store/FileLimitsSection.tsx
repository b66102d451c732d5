import { useState, type SubmitEvent } from 'react';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button, Group } from '@mantine/core';
import { FILE_STORE_QUOTA_MAX_MEBIBYTES, type FileStoreSettings } from '@bascule/protocol/api/file-store.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { LimitedNumberInput } from '../../shared/LimitedNumberInput.tsx';
import { Section } from '../../shared/Section.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { notifyDone } from '../../shared/notify.ts';
import { withinLimits } from '../../shared/number-limits.ts';
import { apiPaths } from '../../shared/paths.ts';
import { useRefreshFileStore } from './file-store-queries.ts';
import classes from './file-store.module.css';

const LIMITS = { min: 1, max: FILE_STORE_QUOTA_MAX_MEBIBYTES };
const FIELDS = ['quotaMebibytes', 'fileMaxMebibytes'] as const;

/** How much the store may hold, and one file of it. */
export function FileLimitsSection({ saved }: { saved: FileStoreSettings }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshFileStore();
  const [touched, setTouched] = useState<Partial<FileStoreSettings>>({});
  const draft = { ...saved, ...touched };
  const save = useMutation({
    mutationFn: async () => {
      await api.put(apiPaths.fileStoreSettings, anyAnswer, draft);
      await refresh();
      setTouched({});
    },
    onSuccess: () => notifyDone(t('file-store:limits.saved')),
  });
  const isValid = FIELDS.every((field) => withinLimits(draft[field], LIMITS));
  const isChanged = FIELDS.some((field) => draft[field] !== saved[field]);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (isValid && isChanged) save.mutate();
  };
  return (
    <Section title={t('file-store:limits.title')} note={t('file-store:limits.note')}>
      <form onSubmit={submit} className={`b-panel ${classes['form']}`}>
        <div className={classes['numbers']}>
          {FIELDS.map((field) => (
            <LimitedNumberInput
              key={field}
              label={t(`file-store:limits.${field}`)}
              unit="MiB"
              limits={LIMITS}
              value={draft[field]}
              onChange={(value) => setTouched({ ...touched, [field]: value })}
              wrapperClass={classes['number']}
            />
          ))}
        </div>
        <FormFailure error={save.error} />
        <Group mt="xs">
          <Button
            type="submit"
            variant={isChanged ? 'filled' : 'default'}
            loading={save.isPending}
            disabled={!isChanged || !isValid}
          >
            {t('shared:save')}
          </Button>
          <Button variant="default" disabled={!isChanged} onClick={() => setTouched({})}>
            {t('shared:undo')}
          </Button>
        </Group>
      </form>
    </Section>
  );
}
