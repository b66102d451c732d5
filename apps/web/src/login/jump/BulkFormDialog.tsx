import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { TagsInput } from '@mantine/core';
import type { ClientMode } from '@bascule/protocol/client-program.ts';
import { FormDialog } from '../../shared/FormDialog.tsx';
import type { BulkAction } from './BulkBar.tsx';
import { GroupSelect } from './GroupSelect.tsx';
import { ModeSelect } from './ModeSelect.tsx';

export type BulkForm = 'group' | 'tags' | 'mode';
const TAG_MAX_CHARACTERS = 40;
const TAGS_MAX = 20;

/** Asks which Jump Group, tags or mode `count` Jump Clients get. */
export function BulkFormDialog({
  form,
  count,
  knownTags,
  onSubmit,
  onClose,
}: {
  form: BulkForm;
  count: number;
  knownTags: string[];
  onSubmit: (action: BulkAction) => Promise<void>;
  onClose: () => void;
}) {
  const { t } = useTranslation();
  const [groupId, setGroupId] = useState<string | null>(null);
  const [add, setAdd] = useState<string[]>([]);
  const [remove, setRemove] = useState<string[]>([]);
  const [mode, setMode] = useState<ClientMode>('active');
  const actions: Record<BulkForm, BulkAction> = {
    group: { kind: 'group', groupId },
    tags: { kind: 'tags', add, remove },
    mode: { kind: 'mode', mode },
  };
  return (
    <FormDialog
      title={t(`login:jump.bulk.${form}Title`, { count })}
      confirm={t('login:jump.bulk.change', { count })}
      onSubmit={() => onSubmit(actions[form])}
      onClose={onClose}
    >
      {form === 'group' && <GroupSelect value={groupId} onChange={setGroupId} />}
      {form === 'tags' && (
        <>
          <TagsInput
            label={t('login:jump.bulk.addTags')}
            description={t('login:jump.tagsNote')}
            value={add}
            onChange={(tags) => setAdd(tags.map((tag) => tag.slice(0, TAG_MAX_CHARACTERS)))}
            data={knownTags}
            openOnFocus={false}
            maxTags={TAGS_MAX}
            data-autofocus
          />
          <TagsInput
            label={t('login:jump.bulk.removeTags')}
            value={remove}
            onChange={setRemove}
            data={knownTags}
            openOnFocus={false}
            maxTags={TAGS_MAX}
          />
        </>
      )}
      {form === 'mode' && <ModeSelect value={mode} onChange={setMode} />}
    </FormDialog>
  );
}
