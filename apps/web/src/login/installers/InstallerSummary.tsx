import { useTranslation } from 'react-i18next';
import { Text } from '@mantine/core';
import { INSTALLER_FORMATS, type InstallerFormat } from '@bascule/protocol/api/installers.ts';
import { Facts, StateMark } from '../../shared/Section.tsx';
import { formatCount } from '../../shared/format.ts';
import { useJumpGroups } from '../jump/jump-queries.ts';
import type { InstallerDraft } from './installer-draft.ts';
import { useDownloads, useInstallers } from './installer-queries.ts';
import { problemText } from './problem-text.ts';
import classes from './installers.module.css';

/** What will be made, in one view, before it is. */
export function InstallerSummary({ draft }: { draft: InstallerDraft }) {
  const { t } = useTranslation();
  const groups = useJumpGroups();
  const known = useInstallers().data;
  const downloads = useDownloads().data?.downloads;
  const group = groups.data?.groups.find(({ id }) => id === draft.groupId)?.name ?? t('installers:noGroup');
  const version = (draft.version === 'next' ? known?.next : known?.current) ?? '';
  const problemOf = (format: InstallerFormat) =>
    downloads?.find((one) => one.program === draft.program && one.age === draft.version && one.format === format)?.problem;
  return (
    <>
      <Facts
        rows={[
          [t('installers:name'), draft.name],
          [t('installers:program'), `${t(`shared:program.${draft.program}`)} ${version}`],
          [t('installers:wizard.key'), t(`installers:wizard.keys.${draft.isGeneric ? 'generic' : 'with-key'}`)],
          [t('login:jump.group'), group],
          [t('installers:tags'), draft.tags.length === 0 ? t('shared:none') : draft.tags.join(', ')],
          [t('installers:mode'), t(`shared:clientMode.${draft.mode}`)],
          [t('installers:wizard.approveEach'), draft.approveEach ? t('shared:yes') : t('shared:no')],
          [t('installers:wizard.validFor'), t(`login:token.validities.${draft.validForHours}`)],
          [t('installers:wizard.uses'), formatCount(draft.uses)],
        ]}
      />
      <Text mt="sm">{t('installers:wizard.formats')}</Text>
      <ul className={classes['formatList']}>
        {INSTALLER_FORMATS.map((format) => {
          const problem = problemOf(format);
          return (
            <li key={format}>
              <code>{format}</code> {t(`installers:formatMeans.${format.replace('.', '-')}`)}
              {problem && <StateMark tone="warn">{problemText(problem)}</StateMark>}
            </li>
          );
        })}
      </ul>
    </>
  );
}
