import { useTranslation } from 'react-i18next';
import { Alert } from '@mantine/core';

/** The answer to an address that does not exist, or that this person may not see. */
export function NothingHere() {
  const { t } = useTranslation();
  return <Alert role="alert">{t('errors:NOT_FOUND')}</Alert>;
}
