import { useTranslation } from 'react-i18next';
import { Button, Menu } from '@mantine/core';

export interface RowAction {
  label: string;
  dangerous?: boolean;
  act: () => void;
}

/** The actions of a table row behind one button, named for the row. */
export function RowMenu({ name, actions }: { name: string; actions: RowAction[] }) {
  const { t } = useTranslation();
  if (actions.length === 0) return null;
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target>
        <Button variant="subtle" px={8} aria-label={t('shared:actionsFor', { name })}>
          ⋯
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {actions.map((action) => (
          <Menu.Item key={action.label} color={action.dangerous === true ? 'var(--b-bad)' : undefined} onClick={action.act}>
            {action.label}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
