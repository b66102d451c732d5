import { ActionIcon, Button, Group, Popover, Select, Stack, Switch, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import {
  changedFontSize,
  FONT_FAMILIES,
  FONT_SIZE_MAX,
  FONT_SIZE_MIN,
  type FontFamily,
  type TerminalPreferences,
} from './terminal-preferences.ts';

const SETTINGS_SYMBOL = 'Aa';

interface TerminalMenuProps {
  preferences: TerminalPreferences;
  onChange: (preferences: TerminalPreferences) => void;
  /** After the menu closed: back to typing. */
  onClosed: () => void;
}

/** Font, size and screen reader mode of all terminals. */
export function TerminalMenu({ preferences, onChange, onClosed }: TerminalMenuProps) {
  const { t } = useTranslation('console');
  const families = (Object.keys(FONT_FAMILIES) as FontFamily[]).map((value) => ({ value, label: t(`menu.family.${value}`) }));
  const step = (label: string, by: number, disabled: boolean) => (
    <ActionIcon
      variant="default"
      aria-label={label}
      disabled={disabled}
      onClick={() => onChange(changedFontSize(preferences, by))}
    >
      {by < 0 ? '−' : '+'}
    </ActionIcon>
  );
  return (
    <Popover position="top-end" trapFocus shadow="md" onClose={onClosed} transitionProps={{ duration: 0 }}>
      <Popover.Target>
        <Button size="compact-xs" variant="subtle" aria-label={t('menu.label')} title={t('menu.label')}>
          {SETTINGS_SYMBOL}
        </Button>
      </Popover.Target>
      <Popover.Dropdown>
        <Stack gap="sm" miw={220}>
          <Group justify="space-between">
            <Text>{t('menu.fontSize')}</Text>
            <Group gap={6}>
              {step(t('menu.smaller'), -1, preferences.fontSize <= FONT_SIZE_MIN)}
              <Text role="status" w={24} ta="center">
                {preferences.fontSize}
              </Text>
              {step(t('menu.larger'), 1, preferences.fontSize >= FONT_SIZE_MAX)}
            </Group>
          </Group>
          <Select
            label={t('menu.fontFamily')}
            data={families}
            value={preferences.fontFamily}
            comboboxProps={{ withinPortal: false }}
            onChange={(value) => value && onChange({ ...preferences, fontFamily: value as FontFamily })}
          />
          <Switch
            label={t('menu.screenReader')}
            checked={preferences.screenReader}
            onChange={(event) => onChange({ ...preferences, screenReader: event.currentTarget.checked })}
          />
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}
