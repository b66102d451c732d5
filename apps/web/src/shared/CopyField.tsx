import { useTranslation } from 'react-i18next';
import { useClipboard } from '@mantine/hooks';
import { Button } from '@mantine/core';
import classes from './CopyField.module.css';

interface CopyFieldProps {
  /** Names the value. */
  label: string;
  value: string;
  /** `tall`: for a text of many lines, such as a log. */
  size?: 'normal' | 'tall';
}

/** A value to take away (a command, a one-time password), selectable, with a copy button. */
export function CopyField({ label, value, size = 'normal' }: CopyFieldProps) {
  const { t } = useTranslation();
  const clipboard = useClipboard({ timeout: 2_000 });
  return (
    <div role="group" aria-label={label}>
      <div className={classes['label']}>{label}</div>
      <div className={classes['row']}>
        <code className={classes['value']} data-size={size} tabIndex={0}>
          {value}
        </code>
        <Button variant="default" onClick={() => clipboard.copy(value)} aria-label={`${t('shared:copy')}: ${label}`}>
          {clipboard.copied ? t('shared:copied') : t('shared:copy')}
        </Button>
      </div>
    </div>
  );
}
