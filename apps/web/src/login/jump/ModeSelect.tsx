import { useTranslation } from 'react-i18next';
import { Select } from '@mantine/core';
import { clientMode, type ClientMode } from '@bascule/protocol/client-program.ts';
import { oneOf } from './one-of.ts';

/** Chooses whether a client keeps its link or checks in (B104-B107). */
export function ModeSelect({ value, onChange }: { value: ClientMode; onChange: (mode: ClientMode) => void }) {
  const { t } = useTranslation();
  return (
    <Select
      label={t('login:jump.mode')}
      description={t('login:jump.modeNote')}
      data={clientMode.options.map((mode) => ({ value: mode, label: t(`login:jump.modes.${mode}`) }))}
      value={value}
      onChange={(next) => onChange(oneOf(clientMode.options, next ?? undefined) ?? value)}
      allowDeselect={false}
    />
  );
}
