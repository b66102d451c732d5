import { useState, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Button, Group, Modal, Stack, Text } from '@mantine/core';
import { FormFailure } from './FormFailure.tsx';

export interface Question {
  /** What will be done, with its name. */
  title: string;
  /** What follows from it. */
  consequences: ReactNode;
  /** The verb on the button. */
  confirm: string;
  dangerous?: boolean;
  /** Does it; the dialogue stays open with the reason when it fails. */
  act: () => Promise<unknown>;
}

/** Asks before something is done: `ask` opens the dialogue, `dialog` must be rendered. */
export function useConfirm(): { ask: (question: Question) => void; dialog: ReactNode } {
  const [question, setQuestion] = useState<Question>();
  return { ask: setQuestion, dialog: question && <ConfirmDialog question={question} onClose={() => setQuestion(undefined)} /> };
}

function ConfirmDialog({ question, onClose }: { question: Question; onClose: () => void }) {
  const { t } = useTranslation();
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<unknown>();
  const confirm = () => {
    setBusy(true);
    question
      .act()
      .then(onClose)
      .catch((error: unknown) => {
        setFailure(error);
        setBusy(false);
      });
  };
  return (
    <Modal opened onClose={onClose} title={question.title} closeButtonProps={{ 'aria-label': t('shared:close') }}>
      <Stack gap="sm">
        <Text component="div">{question.consequences}</Text>
        <FormFailure error={failure} />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose} data-autofocus={question.dangerous === true ? true : undefined}>
            {t('shared:cancel')}
          </Button>
          <Button
            color={question.dangerous === true ? 'red' : undefined}
            loading={busy}
            onClick={confirm}
            data-autofocus={question.dangerous === true ? undefined : true}
          >
            {question.confirm}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
