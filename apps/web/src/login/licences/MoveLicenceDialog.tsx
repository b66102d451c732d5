import { useState } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Radio, Stack, Text, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { licences, type LicensedEndpoint } from '@bascule/protocol/api/licence.ts';
import { FormDialog } from '../../shared/FormDialog.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { formatCount } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';
import { useLicensedEndpoints } from './licence-queries.ts';

const TYPING_REST_MS = 250;
const TEXT_MAX_CHARACTERS = 100;
/** Endpoints that are offered; whoever looks for another one types a part of its name. */
const OFFERED_MAX = 8;
const FREE = 'free';

interface DialogProps {
  to: LicensedEndpoint;
  /** Licences that nobody has. */
  free: number;
  onClose: () => void;
}

/** Gives `to` a licence: a free one, or that of another endpoint, whose sessions go on (B208). */
export function MoveLicenceDialog({ to, free, onClose }: DialogProps) {
  const { t } = useTranslation();
  const api = useApi();
  const client = useQueryClient();
  const [text, setText] = useState('');
  const [from, setFrom] = useState(free > 0 ? FREE : '');
  const [rested] = useDebouncedValue(text, TYPING_REST_MS);
  const others = useLicensedEndpoints('yes', rested, 0).data?.endpoints ?? [];
  const offered = others.slice(0, OFFERED_MAX);
  const submit = async () => {
    if (from === '') throw new Error(t('licences:move.chooseFirst'));
    await api.post(apiPaths.moveLicence, licences, { from: from === FREE ? null : from, to: to.id });
    await Promise.all(
      ['active-sessions', 'jump-items'].map((topic) => client.invalidateQueries({ queryKey: [topic, 'licences'] })),
    );
  };
  return (
    <FormDialog
      title={t('licences:move.title', { name: to.name })}
      confirm={t('licences:move.confirm')}
      onSubmit={submit}
      onClose={onClose}
    >
      <Text>{t('licences:move.consequences', { name: to.name })}</Text>
      <TextInput
        type="search"
        label={t('licences:move.search')}
        value={text}
        maxLength={TEXT_MAX_CHARACTERS}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <Radio.Group label={t('licences:move.from')} value={from} onChange={setFrom}>
        <Stack gap="xs" mt="xs" mih={OFFERED_MAX * 30}>
          {free > 0 && <Radio value={FREE} label={t('licences:move.free', { count: free, number: formatCount(free) })} />}
          {offered.map(({ id, name, sessions }) => (
            <Radio
              key={id}
              value={id}
              label={name}
              description={sessions > 0 ? t('licences:move.inSession', { count: sessions }) : undefined}
            />
          ))}
        </Stack>
      </Radio.Group>
    </FormDialog>
  );
}
