import { Button, Group, Modal, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { PasteDecision } from './paste-guard.ts';
import classes from './terminal.module.css';

export type PasteQuestion = Extract<PasteDecision, { kind: 'ask' }>;

/** Shows several lines before they run in a far shell. */
export function PasteDialog({ question, onAnswer }: { question: PasteQuestion | undefined; onAnswer: (paste: boolean) => void }) {
  const { t } = useTranslation('console');
  if (!question) return null;
  const more = question.lines - question.preview.length;
  return (
    <Modal opened size="lg" title={t('paste.heading', { count: question.lines })} onClose={() => onAnswer(false)}>
      <Text>{t('paste.text')}</Text>
      <pre className={classes['preview']} tabIndex={0}>
        {question.preview.join('\n')}
      </pre>
      {more > 0 && <Text c="dimmed">{t('paste.more', { count: more })}</Text>}
      <Group justify="flex-end" mt="md">
        <Button variant="default" onClick={() => onAnswer(false)}>
          {t('paste.cancel')}
        </Button>
        <Button data-autofocus onClick={() => onAnswer(true)}>
          {t('paste.send')}
        </Button>
      </Group>
    </Modal>
  );
}
