import { Button, Group, Modal, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';

export interface SessionQuestion {
  kind: 'close' | 'end';
  session: string;
  name: string;
}

interface SessionDialogsProps {
  question: SessionQuestion | undefined;
  onCancel: () => void;
  onLeave: (session: string) => void;
  onEnd: (session: string) => void;
}

/** Asks what a closed tab means for its session, and whether a session is really to be ended. */
export function SessionDialogs({ question, onCancel, onLeave, onEnd }: SessionDialogsProps) {
  const { t } = useTranslation('console');
  if (!question) return null;
  const { kind, session, name } = question;
  return (
    <Modal opened title={t(`${kind}.heading`, { name })} onClose={onCancel}>
      <Text>{t(`${kind}.text`)}</Text>
      <Group justify="flex-end" mt="md">
        <Button variant="default" data-autofocus={kind === 'end' || undefined} onClick={onCancel}>
          {t('close.cancel')}
        </Button>
        <Button color="red" variant={kind === 'end' ? 'filled' : 'light'} onClick={() => onEnd(session)}>
          {t('close.end')}
        </Button>
        {kind === 'close' && (
          <Button data-autofocus onClick={() => onLeave(session)}>
            {t('close.leave')}
          </Button>
        )}
      </Group>
    </Modal>
  );
}
