import { useTranslation } from 'react-i18next';
import { Alert, Checkbox, Text } from '@mantine/core';

interface AcceptCutProps {
  cut: { address: string; seconds: number };
  accepted: boolean;
  onChange: (accepted: boolean) => void;
}

/** Asked once more before somebody saws off the branch: what happens, and how it is kept. */
export function AcceptCut({ cut, accepted, onChange }: AcceptCutProps) {
  const { t } = useTranslation();
  return (
    <Alert color="red" role="alert" title={t('network:cut.title', { address: cut.address })}>
      <Text mb="xs">{t('network:cut.text', { address: cut.address, seconds: cut.seconds })}</Text>
      <Checkbox label={t('network:cut.accept')} checked={accepted} onChange={(event) => onChange(event.currentTarget.checked)} />
    </Alert>
  );
}
