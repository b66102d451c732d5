import type { ReactNode, SubmitEvent } from 'react';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button, Group, Modal, Stack } from '@mantine/core';
import { FormFailure } from './FormFailure.tsx';

interface FormDialogProps {
  title: string;
  confirm: string;
  onSubmit: () => Promise<unknown>;
  onClose: () => void;
  children: ReactNode;
}

/** A form in a dialogue: Enter sends it, it closes when done and stays open with the reason when refused. */
export function FormDialog({ title, confirm, onSubmit, onClose, children }: FormDialogProps) {
  const { t } = useTranslation();
  const send = useMutation({ mutationFn: onSubmit, onSuccess: onClose });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    send.mutate();
  };
  return (
    <Modal opened onClose={onClose} title={title} closeButtonProps={{ 'aria-label': t('shared:close') }}>
      <form onSubmit={submit}>
        <Stack gap="sm">
          {children}
          <FormFailure error={send.error} />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {t('shared:cancel')}
            </Button>
            <Button type="submit" loading={send.isPending}>
              {confirm}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
