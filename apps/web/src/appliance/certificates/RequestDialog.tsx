import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Alert, Button, Group, Modal, Select, Stack, Textarea, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { KEY_CHOICES, requestMade, type KeyChoice } from '@bascule/protocol/api/certificates.ts';
import { FormDialog } from '../../shared/FormDialog.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';
import { saveFile } from '../../shared/save-file.ts';
import classes from './certificates.module.css';

const SUBJECT_FIELDS = ['organization', 'organizationalUnit', 'locality', 'state', 'country'] as const;

/** Asks for a certificate: the key is made on the appliance and stays there; the request goes to an authority. */
export function RequestDialog({ publicHost, onClose }: { publicHost: string; onClose: () => void }) {
  const { t } = useTranslation();
  const api = useApi();
  const client = useQueryClient();
  const [names, setNames] = useState(publicHost);
  const [key, setKey] = useState<KeyChoice>('ec-p256');
  const [subject, setSubject] = useState<Partial<Record<(typeof SUBJECT_FIELDS)[number], string>>>({});
  const [made, setMade] = useState<string>();
  const submit = async () => {
    const body = { names: namesIn(names), key, ...subject };
    setMade((await api.post(apiPaths.requestCertificate, requestMade, body)).pem);
    await client.invalidateQueries({ queryKey: ['certificates'] });
  };
  if (made !== undefined) return <MadeDialog pem={made} name={namesIn(names)[0] ?? 'request'} onClose={onClose} />;
  return (
    <FormDialog
      title={t('certificates:request.title')}
      confirm={t('certificates:request.make')}
      onSubmit={submit}
      onClose={() => undefined}
      onCancel={onClose}
    >
      {(faultOf) => (
        <>
          <Textarea
            label={t('certificates:field.names')}
            description={t('certificates:request.namesNote')}
            value={names}
            onChange={(event) => setNames(event.currentTarget.value)}
            error={faultOf('body.names', t('certificates:request.namesWrong'))}
            autosize
            minRows={2}
            required
          />
          <Select
            label={t('certificates:field.key')}
            data={KEY_CHOICES.map((value) => ({ value, label: t(`certificates:keyChoice.${value}`) }))}
            value={key}
            onChange={(value) => setKey(KEY_CHOICES.find((choice) => choice === value) ?? 'ec-p256')}
            allowDeselect={false}
          />
          <Group grow align="end">
            {SUBJECT_FIELDS.slice(0, 2).map((field) => (
              <SubjectField
                key={field}
                field={field}
                value={subject[field] ?? ''}
                onChange={(text) => setSubject({ ...subject, [field]: text })}
              />
            ))}
          </Group>
          <Group grow align="end">
            {SUBJECT_FIELDS.slice(2).map((field) => (
              <SubjectField
                key={field}
                field={field}
                value={subject[field] ?? ''}
                onChange={(text) => setSubject({ ...subject, [field]: text })}
                error={faultOf(`body.${field}`)}
              />
            ))}
          </Group>
        </>
      )}
    </FormDialog>
  );
}

interface SubjectFieldProps {
  field: (typeof SUBJECT_FIELDS)[number];
  value: string;
  onChange: (value: string) => void;
  error?: string | undefined;
}

function SubjectField({ field, value, onChange, error }: SubjectFieldProps) {
  const { t } = useTranslation();
  return (
    <TextInput
      label={t(`certificates:subject.${field}`)}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
      error={error}
    />
  );
}

function MadeDialog({ pem, name, onClose }: { pem: string; name: string; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Modal
      opened
      onClose={onClose}
      title={t('certificates:request.made')}
      size="xl"
      closeButtonProps={{ 'aria-label': t('shared:close') }}
    >
      <Stack gap="sm">
        <Alert color="blue" role="status" py="xs">
          {t('certificates:request.next')}
        </Alert>
        <pre className={`b-mono ${classes['pem']}`}>{pem}</pre>
        <Group justify="flex-end">
          <Button variant="default" onClick={() => saveFile(`${name}.csr`, 'application/pkcs10', pem)}>
            {t('certificates:request.save')}
          </Button>
          <Button onClick={onClose}>{t('shared:close')}</Button>
        </Group>
      </Stack>
    </Modal>
  );
}

/** As people separate names: by lines, blanks or commas. */
export function namesIn(text: string): string[] {
  return text.split(/[\s,;]+/).filter((name) => name !== '');
}
