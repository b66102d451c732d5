import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { TextInput, Textarea } from '@mantine/core';
import {
  storedFile,
  storedName,
  STORED_DESCRIPTION_MAX_CHARACTERS,
  STORED_NAME_MAX_BYTES,
  type StoredFile,
} from '@bascule/protocol/api/file-store.ts';
import { CopyField } from '../../shared/CopyField.tsx';
import { FormDialog } from '../../shared/FormDialog.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';
import { useRefreshFileStore } from './file-store-queries.ts';

/** Name and description of a stored file; its content is never changed. */
export function EditFileDialog({ file, onClose }: { file: StoredFile; onClose: () => void }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshFileStore();
  const [name, setName] = useState(file.name);
  const [description, setDescription] = useState(file.description);
  const send = async () => {
    await api.patch(apiPaths.storedFile(file.id), storedFile, {
      ...(name !== file.name && { name }),
      ...(description !== file.description && { description: description.replaceAll('\n', ' ') }),
    });
    await refresh();
  };
  return (
    <FormDialog
      title={t('file-store:edit.title', { name: file.name })}
      confirm={t('shared:save')}
      onSubmit={send}
      onClose={onClose}
    >
      {(faultOf) => (
        <>
          <TextInput
            label={t('file-store:list.name')}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            error={storedName.safeParse(name).success ? faultOf('body.name') : t('file-store:refusal.name')}
            maxLength={STORED_NAME_MAX_BYTES}
            required
            withAsterisk={false}
            data-autofocus
          />
          <Textarea
            label={t('file-store:list.description')}
            value={description}
            onChange={(event) => setDescription(event.currentTarget.value)}
            error={faultOf('body.description')}
            maxLength={STORED_DESCRIPTION_MAX_CHARACTERS}
            autosize
            minRows={2}
            maxRows={5}
          />
          <CopyField label="SHA-256" value={file.sha256} />
        </>
      )}
    </FormDialog>
  );
}
