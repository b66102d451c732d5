import type { ReactNode, SubmitEvent } from 'react';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button, Group, Modal, Stack } from '@mantine/core';
import { FormFailure } from './FormFailure.tsx';
import { ApiError } from './api-client.ts';
import { errorText } from './error-text.ts';

interface FormDialogProps {
  title: string;
  confirm: string;
  onSubmit: () => Promise<unknown>;
  onClose: () => void;
  /** When it stays open after it was sent, for what comes next: how it is left. `onClose` otherwise. */
  onCancel?: () => void;
  /** False: it cannot be sent yet, and its fields say why. */
  canSubmit?: boolean;
  /** The fields, or a function of what is wrong with each of them. */
  children: ReactNode | ((faultOf: FaultOf) => ReactNode);
  /** `xl`: with a table in it. */
  size?: 'md' | 'xl';
  /** What it does cannot be undone. */
  dangerous?: boolean;
}
/** What the API says is wrong with a field, as it names it (`body.name`); `rule` is said where the API only knows that it is not valid. */
export type FaultOf = (field: string, rule?: string) => string | undefined;

/** A form in a dialogue: Enter sends it, it closes when done and stays open with the reason when refused. */
export function FormDialog({
  title,
  confirm,
  onSubmit,
  onClose,
  children,
  size = 'md',
  dangerous = false,
  onCancel = onClose,
  canSubmit = true,
}: FormDialogProps) {
  const { t } = useTranslation();
  const send = useMutation({ mutationFn: onSubmit, onSuccess: onClose });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    send.mutate();
  };
  const { error } = send;
  let isSaidAtField = false;
  const faultOf: FaultOf = (field, rule) => {
    if (!(error instanceof ApiError) || error.field !== field) return undefined;
    isSaidAtField = true;
    return error.code === 'INPUT_INVALID' && rule !== undefined ? rule : errorText(error);
  };
  const fields = typeof children === 'function' ? children(faultOf) : children;
  return (
    <Modal opened onClose={onCancel} title={title} size={size} closeButtonProps={{ 'aria-label': t('shared:close') }}>
      <form onSubmit={submit}>
        <Stack gap="sm">
          {fields}
          {!isSaidAtField && <FormFailure error={error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={onCancel}>
              {t('shared:cancel')}
            </Button>
            <Button type="submit" loading={send.isPending} disabled={!canSubmit} color={dangerous ? 'red' : undefined}>
              {confirm}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
