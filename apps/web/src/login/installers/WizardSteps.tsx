import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Alert, Checkbox, Radio, Select, Stack, TagsInput, TextInput } from '@mantine/core';
import { LimitedNumberInput } from '../../shared/LimitedNumberInput.tsx';
import { GroupSelect } from '../jump/GroupSelect.tsx';
import {
  COMMENT_MAX_CHARACTERS,
  NAME_MAX_CHARACTERS,
  TAG_MAX_CHARACTERS,
  TAGS_MAX,
  USES_LIMITS,
  VALIDITIES_HOURS,
  type InstallerDraft,
} from './installer-draft.ts';
import { useInstallers } from './installer-queries.ts';
import classes from './installers.module.css';

interface StepProps {
  draft: InstallerDraft;
  change: (part: Partial<InstallerDraft>) => void;
  /** Fields that somebody tried to go on with as they are. */
  faults: (keyof InstallerDraft)[];
}

/** Which program, in which version, with or without its key. */
export function ProgramStep({ draft, change }: StepProps) {
  const { t } = useTranslation();
  const { current, next } = useInstallers().data ?? { current: '', next: null };
  return (
    <Stack gap="md">
      <Words
        label={t('installers:program')}
        value={draft.program}
        words={['jump-client', 'jumpoint']}
        nameOf={(word) => t(`shared:program.${word}`)}
        noteOf={(word) => t(`installers:wizard.programMeans.${word}`)}
        onChange={(program) => change({ program })}
      />
      <Words
        label={t('installers:version')}
        value={draft.version}
        words={['current', 'next']}
        nameOf={(word) =>
          word === 'current'
            ? t('installers:wizard.currentVersion', { version: current })
            : t('installers:wizard.nextVersion', { version: next ?? '' })
        }
        noteOf={(word) =>
          word === 'next' && next === null ? t('installers:wizard.noNext') : t(`installers:wizard.versionMeans.${word}`)
        }
        isDisabled={(word) => word === 'next' && next === null}
        onChange={(version) => change({ version })}
      />
      <Words
        label={t('installers:wizard.key')}
        value={draft.isGeneric ? 'generic' : 'with-key'}
        words={['with-key', 'generic']}
        nameOf={(word) => t(`installers:wizard.keys.${word}`)}
        noteOf={(word) => t(`installers:wizard.keyMeans.${word}`)}
        onChange={(word) => change({ isGeneric: word === 'generic' })}
      />
    </Stack>
  );
}

/** Where its clients go and how they behave there. */
export function PlaceStep({ draft, change, faults }: StepProps) {
  const { t } = useTranslation();
  return (
    <Stack gap="md">
      <GroupSelect value={draft.groupId} onChange={(groupId) => change({ groupId })} />
      <TagsInput
        label={t('installers:tags')}
        description={t('installers:wizard.tagsNote', { count: TAGS_MAX, length: TAG_MAX_CHARACTERS })}
        value={draft.tags}
        onChange={(tags) => change({ tags })}
        maxTags={TAGS_MAX}
        error={faults.includes('tags') ? t('installers:wizard.tagsWrong', { length: TAG_MAX_CHARACTERS }) : undefined}
      />
      <Words
        label={t('installers:mode')}
        value={draft.mode}
        words={['active', 'passive']}
        nameOf={(word) => t(`shared:clientMode.${word}`)}
        noteOf={(word) => t(`installers:wizard.modeMeans.${word}`)}
        onChange={(mode) => change({ mode })}
      />
      <Checkbox
        label={t('installers:wizard.approveEach')}
        description={t('installers:wizard.approveEachNote')}
        checked={draft.approveEach}
        onChange={(event) => change({ approveEach: event.currentTarget.checked })}
      />
      <TextInput
        label={t('installers:comment')}
        description={t('installers:wizard.commentNote')}
        value={draft.comment}
        onChange={(event) => change({ comment: event.currentTarget.value })}
        maxLength={COMMENT_MAX_CHARACTERS}
      />
    </Stack>
  );
}

/** How long and for how many machines it works. */
export function ValidityStep({ draft, change, faults }: StepProps) {
  const { t } = useTranslation();
  return (
    <Stack gap="md">
      <TextInput
        label={t('installers:name')}
        description={t('installers:wizard.nameNote')}
        value={draft.name}
        onChange={(event) => change({ name: event.currentTarget.value })}
        maxLength={NAME_MAX_CHARACTERS}
        error={faults.includes('name') ? t('installers:wizard.nameMissing') : undefined}
      />
      <Select
        label={t('installers:wizard.validFor')}
        description={t('installers:wizard.validForNote')}
        data={VALIDITIES_HOURS.map((hours) => ({ value: String(hours), label: t(`login:token.validities.${hours}`) }))}
        value={String(draft.validForHours)}
        onChange={(hours) => change({ validForHours: Number(hours) })}
      />
      <LimitedNumberInput
        label={t('installers:wizard.uses')}
        note={t('installers:wizard.usesNote')}
        limits={USES_LIMITS}
        value={draft.uses}
        onChange={(uses) => change({ uses })}
        wrapperClass={classes['number']}
      />
      <Alert role="note" py="xs">
        {t('installers:wizard.untilUpgrade')}
      </Alert>
    </Stack>
  );
}

interface WordsProps<Word extends string> {
  label: string;
  value: Word;
  words: readonly Word[];
  nameOf: (word: Word) => string;
  noteOf: (word: Word) => ReactNode;
  isDisabled?: (word: Word) => boolean;
  onChange: (word: Word) => void;
}

/** One of few words, each with what it means. */
function Words<Word extends string>({ label, value, words, nameOf, noteOf, isDisabled, onChange }: WordsProps<Word>) {
  const choose = (next: string) => {
    const word = words.find((one) => one === next);
    if (word !== undefined) onChange(word);
  };
  return (
    <Radio.Group label={label} value={value} onChange={choose}>
      <Stack gap="xs" mt="xs">
        {words.map((word) => (
          <Radio key={word} value={word} label={nameOf(word)} description={noteOf(word)} disabled={isDisabled?.(word) === true} />
        ))}
      </Stack>
    </Radio.Group>
  );
}
