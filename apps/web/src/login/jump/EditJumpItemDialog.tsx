import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { TagsInput, TextInput } from '@mantine/core';
import type { JumpItem } from '@bascule/protocol/api/jump.ts';
import { FormDialog } from '../../shared/FormDialog.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';
import { ModeSelect } from './ModeSelect.tsx';
import { GroupSelect } from './GroupSelect.tsx';
import { useRefreshJump } from './jump-queries.ts';

const NAME_MAX_CHARACTERS = 128;
const COMMENT_MAX_CHARACTERS = 500;
const TAG_MAX_CHARACTERS = 40;
const TAGS_MAX = 20;

/** Name, Jump Group, comment, tags and mode of a Jump Client. */
export function EditJumpItemDialog({ item, onClose }: { item: JumpItem; onClose: () => void }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshJump();
  const [name, setName] = useState(item.name);
  const [groupId, setGroupId] = useState(item.groupId);
  const [comment, setComment] = useState(item.comment);
  const [tags, setTags] = useState(item.tags);
  const [mode, setMode] = useState(item.mode);
  const save = async () => {
    await api.patch(apiPaths.jumpItem(item.id), anyAnswer, { name, groupId, comment, tags, mode });
    await refresh();
  };
  return (
    <FormDialog
      title={t('login:jump.editTitle', { name: item.name })}
      confirm={t('shared:save')}
      onSubmit={save}
      onClose={onClose}
    >
      {(faultOf) => (
        <>
          <TextInput
            label={t('login:jump.name')}
            error={faultOf('body.name')}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            maxLength={NAME_MAX_CHARACTERS}
            required
            withAsterisk={false}
            data-autofocus
          />
          <GroupSelect value={groupId} onChange={setGroupId} />
          <TextInput
            label={t('login:jump.comment')}
            error={faultOf('body.comment')}
            value={comment}
            onChange={(event) => setComment(event.currentTarget.value)}
            maxLength={COMMENT_MAX_CHARACTERS}
          />
          <TagsInput
            label={t('login:jump.tags')}
            description={t('login:jump.tagsNote')}
            error={faultOf('body.tags')}
            value={tags}
            onChange={(next) => setTags(next.map((tag) => tag.slice(0, TAG_MAX_CHARACTERS)))}
            maxTags={TAGS_MAX}
          />
          <ModeSelect value={mode} onChange={setMode} />
        </>
      )}
    </FormDialog>
  );
}
