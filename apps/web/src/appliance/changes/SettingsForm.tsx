import type { ReactNode, SubmitEvent } from 'react';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button, Group, Stack } from '@mantine/core';
import { FormFailure } from '../../shared/FormFailure.tsx';
import type { FaultOf } from '../../shared/FormDialog.tsx';
import { ApiError } from '../../shared/api-client.ts';
import { isAsked } from './use-accept-cut.tsx';
import { errorText } from '../../shared/error-text.ts';
import { notifyDone } from '../../shared/notify.ts';
import classes from '../updates/updates.module.css';

interface SettingsFormProps {
  isChanged: boolean;
  /** False while a field holds what the appliance would refuse. */
  isValid?: boolean;
  onSave: () => Promise<unknown>;
  /** Everything is as it was; after a save, too. */
  onForget: () => void;
  /** What is said when it is saved. */
  saved: string;
  /** Between the fields and the buttons: a warning that the appliance asked for. */
  notice?: ReactNode;
  children: ReactNode | ((faultOf: FaultOf) => ReactNode);
}

/** A form of settings: saved and undone by buttons, with what is wrong said at its field where the appliance names one. */
export function SettingsForm({ isChanged, isValid = true, onSave, onForget, saved, notice, children }: SettingsFormProps) {
  const { t } = useTranslation();
  const save = useMutation({
    mutationFn: onSave,
    onSuccess: () => {
      onForget();
      notifyDone(saved);
    },
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (isValid) save.mutate();
  };
  const forget = () => {
    save.reset();
    onForget();
  };
  const { error } = save;
  let isSaidAtField = false;
  const faultOf: FaultOf = (field, rule) => {
    // Lists name their item: body.networks.2.
    const isHere = error instanceof ApiError && (error.field === field || error.field?.startsWith(`${field}.`) === true);
    if (!isHere) return undefined;
    isSaidAtField = true;
    return error.code === 'INPUT_INVALID' && rule !== undefined ? rule : errorText(error);
  };
  const fields = typeof children === 'function' ? children(faultOf) : children;
  return (
    <form onSubmit={submit} className={classes['form']} style={{ marginTop: 'var(--b-space-3)' }}>
      <Stack gap="sm">
        {fields}
        {notice}
        {!isSaidAtField && !isAsked(error) && <FormFailure error={error} />}
        <Group>
          <Button type="submit" loading={save.isPending} disabled={!isChanged || !isValid}>
            {t('shared:save')}
          </Button>
          <Button variant="default" disabled={!isChanged} onClick={forget}>
            {t('shared:undo')}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
