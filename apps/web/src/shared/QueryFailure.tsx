import { useTranslation } from 'react-i18next';
import { Alert, Button, Text } from '@mantine/core';
import { errorText } from './error-text.ts';

/** Says why something could not be read, and offers to try again. */
export function QueryFailure({ query }: { query: { error: unknown; refetch: () => unknown } }) {
  const { t } = useTranslation();
  return (
    <Alert color="red" role="alert">
      <Text mb="xs">{errorText(query.error)}</Text>
      <Button variant="default" onClick={() => void query.refetch()}>
        {t('shared:retry')}
      </Button>
    </Alert>
  );
}
