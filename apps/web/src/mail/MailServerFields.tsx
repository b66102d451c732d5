import { useTranslation } from 'react-i18next';
import { Fieldset, Group, Select, TextInput } from '@mantine/core';
import type { MailSettings } from '@bascule/protocol/api/updates.ts';
import { LimitedNumberInput } from '../shared/LimitedNumberInput.tsx';
import { readFingerprint, withSecurity, type MailField } from './mail-draft.ts';
import classes from './mail.module.css';

const SECURITIES = ['tls', 'starttls', 'none'] as const;
const HOST_MAX_CHARACTERS = 253;

interface MailServerFieldsProps {
  draft: MailSettings;
  onChange: (part: Partial<MailSettings>) => void;
  faultOf: (field: MailField) => string | undefined;
}

/** The server, how the way to it is protected, and a certificate of its own. */
export function MailServerFields({ draft, onChange, faultOf }: MailServerFieldsProps) {
  const { t } = useTranslation();
  return (
    <Fieldset legend={t('mail:server')}>
      <Group align="start" grow preventGrowOverflow={false}>
        <TextInput
          label={t('mail:host')}
          description={t('mail:hostNote')}
          error={faultOf('host')}
          value={draft.host}
          onChange={(event) => onChange({ host: event.currentTarget.value.trim() })}
          maxLength={HOST_MAX_CHARACTERS}
          autoComplete="off"
        />
        <LimitedNumberInput
          label={t('mail:port')}
          limits={{ min: 1, max: 65_535 }}
          value={draft.port}
          onChange={(port) => onChange({ port })}
          wrapperClass={classes['short']}
        />
      </Group>
      <Select
        label={t('mail:security')}
        description={t(`mail:securityNote.${draft.security}`)}
        data={SECURITIES.map((value) => ({ value, label: t(`mail:securities.${value}`) }))}
        value={draft.security}
        onChange={(value) => {
          const security = SECURITIES.find((known) => known === value) ?? 'tls';
          onChange(withSecurity(draft, security));
        }}
        mb="sm"
      />
      {draft.security !== 'none' && (
        <TextInput
          label={t('mail:certificate')}
          description={t('mail:certificateNote')}
          error={faultOf('certificateSha256')}
          value={draft.certificateSha256}
          onChange={(event) => onChange({ certificateSha256: readFingerprint(event.currentTarget.value) })}
          classNames={{ input: 'b-mono' }}
          autoComplete="off"
          spellCheck={false}
        />
      )}
    </Fieldset>
  );
}
