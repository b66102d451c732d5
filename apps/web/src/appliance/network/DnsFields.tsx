import { useTranslation } from 'react-i18next';
import { Fieldset, PasswordInput, Select, TextInput } from '@mantine/core';
import { dnsUpdate, type DnsUpdate } from '@bascule/protocol/api/network.ts';
import { LimitedNumberInput } from '../../shared/LimitedNumberInput.tsx';
import classes from '../updates/updates.module.css';

const PORT_LIMITS = { min: 1, max: 65_535 };
const TTL_LIMITS = { min: 1, max: 86_400 };
const SECRET_MAX_CHARACTERS = 400;
const ALGORITHMS = dnsUpdate.shape.algorithm.options;

interface DnsFieldsProps {
  dns: DnsUpdate;
  onChange: (part: Partial<DnsUpdate>) => void;
  secret: string;
  onSecret: (secret: string) => void;
  isSecretSet: boolean;
}

/** Where and with which key the shared name is pointed at this appliance. */
export function DnsFields({ dns, onChange, secret, onSecret, isSecretSet }: DnsFieldsProps) {
  const { t } = useTranslation();
  const text = (field: 'server' | 'zone' | 'name' | 'address' | 'keyName', placeholder: string) => (
    <TextInput
      label={t(`network:dns.${field}`)}
      description={t(`network:dns.${field}Note`)}
      placeholder={placeholder}
      value={dns[field]}
      onChange={(event) => onChange({ [field]: event.currentTarget.value.trim() })}
      spellCheck={false}
      autoComplete="off"
      maxLength={255}
      mb="sm"
      required
    />
  );
  return (
    <Fieldset legend={t('network:way.dns')}>
      {text('server', '192.0.2.53')}
      <LimitedNumberInput
        label={t('network:dns.port')}
        note=""
        limits={PORT_LIMITS}
        value={dns.port}
        onChange={(port) => onChange({ port })}
        wrapperClass={classes['number']}
      />
      {text('zone', 'example.org')}
      {text('name', 'access.example.org')}
      {text('address', '192.0.2.10')}
      <LimitedNumberInput
        label={t('network:dns.ttl')}
        note={t('network:dns.ttlNote')}
        unit="s"
        limits={TTL_LIMITS}
        value={dns.ttlSeconds}
        onChange={(ttlSeconds) => onChange({ ttlSeconds })}
        wrapperClass={classes['number']}
      />
      {text('keyName', 'bascule')}
      <Select
        label={t('network:dns.algorithm')}
        data={[...ALGORITHMS]}
        value={dns.algorithm}
        onChange={(value) => onChange({ algorithm: ALGORITHMS.find((known) => known === value) ?? 'hmac-sha256' })}
        allowDeselect={false}
        mb="sm"
      />
      <PasswordInput
        label={t('network:dns.secret')}
        description={isSecretSet ? t('network:dns.secretSet') : t('network:dns.secretNote')}
        value={secret}
        onChange={(event) => onSecret(event.currentTarget.value.trim())}
        maxLength={SECRET_MAX_CHARACTERS}
        autoComplete="off"
      />
    </Fieldset>
  );
}
