import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Checkbox, Radio, Stack } from '@mantine/core';
import {
  TLS12_CIPHERS,
  TLS13_CIPHERS,
  TLS_VERSIONS,
  type BoxSecurity,
  type TlsSettings,
} from '@bascule/protocol/api/security.ts';
import { Facts, Section } from '../../shared/Section.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';
import { SettingsForm } from '../changes/SettingsForm.tsx';
import { useAcceptCut } from '../changes/use-accept-cut.tsx';
import { WithSecurity } from './WithSecurity.tsx';
import { useRefreshSecurity } from './security-queries.ts';

/** Security > TLS: how it is spoken with browsers. */
export function TlsPage() {
  const { t } = useTranslation();
  return (
    <Section title={t('security:tls.title')} note={t('security:tls.note')}>
      <WithSecurity>{(security) => <TlsForm security={security} />}</WithSecurity>
    </Section>
  );
}

function TlsForm({ security: { tls, yourTlsVersion } }: { security: BoxSecurity }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshSecurity();
  const acceptCut = useAcceptCut();
  const [changes, setChanges] = useState<Partial<TlsSettings>>({});
  const draft = { ...tls, ...changes };
  const has12 = draft.minVersion === 'TLSv1.2';
  const isValid = draft.ciphers13.length > 0 && (!has12 || draft.ciphers12.length > 0);
  const save = async () => {
    await acceptCut.send(() => api.put(apiPaths.boxSecurityPart('tls'), anyAnswer, { ...draft, ...acceptCut.body }));
    await refresh();
  };
  const forget = () => {
    setChanges({});
    acceptCut.forget();
  };
  return (
    <>
      <Facts
        rows={[
          [
            t('security:tls.yours'),
            <span key="yours" className="b-mono">
              {yourTlsVersion ?? '–'}
            </span>,
          ],
        ]}
      />
      <SettingsForm
        isChanged={JSON.stringify(draft) !== JSON.stringify(tls)}
        isValid={isValid}
        onSave={save}
        onForget={forget}
        saved={t('security:tls.saved')}
        notice={acceptCut.notice}
      >
        <Radio.Group
          label={t('security:tls.version')}
          value={draft.minVersion}
          onChange={(value) => setChanges({ ...changes, minVersion: TLS_VERSIONS.find((known) => known === value) ?? 'TLSv1.2' })}
        >
          <Stack gap="xs" mt="xs">
            <Radio value="TLSv1.2" label={t('security:tls.both')} description={t('security:tls.bothNote')} />
            <Radio value="TLSv1.3" label={t('security:tls.only13')} description={t('security:tls.only13Note')} />
          </Stack>
        </Radio.Group>
        <CipherList
          label={t('security:tls.ciphers13')}
          all={TLS13_CIPHERS}
          chosen={draft.ciphers13}
          onChange={(ciphers13) => setChanges({ ...changes, ciphers13 })}
        />
        {has12 && (
          <CipherList
            label={t('security:tls.ciphers12')}
            all={TLS12_CIPHERS}
            chosen={draft.ciphers12}
            onChange={(ciphers12) => setChanges({ ...changes, ciphers12 })}
          />
        )}
      </SettingsForm>
    </>
  );
}

interface CipherListProps<T extends string> {
  label: string;
  all: readonly T[];
  chosen: T[];
  onChange: (chosen: T[]) => void;
}

/** Kept in the order of `all`, which is that of strength. */
function CipherList<T extends string>({ label, all, chosen, onChange }: CipherListProps<T>) {
  const { t } = useTranslation();
  return (
    <Checkbox.Group
      label={label}
      value={chosen}
      onChange={(values) => onChange(all.filter((name) => values.includes(name)))}
      error={chosen.length === 0 ? t('security:tls.none') : undefined}
    >
      <Stack gap="xs" mt="xs">
        {all.map((name) => (
          <Checkbox key={name} value={name} label={<span className="b-mono">{name}</span>} />
        ))}
      </Stack>
    </Checkbox.Group>
  );
}
