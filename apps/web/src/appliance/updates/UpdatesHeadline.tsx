import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Button } from '@mantine/core';
import type { UpdatesState } from '@bascule/protocol/api/updates.ts';
import { Headline, HeadlineNote } from '../../shared/Headline.tsx';
import { operationText, packageName } from './update-texts.ts';
import { headlineOf, wentBackTo } from './updates-model.ts';
import classes from './updates.module.css';

/** The state of updates in one sentence. */
export function UpdatesHeadline({ state, isSilent }: { state: UpdatesState; isSilent: boolean }) {
  const { t } = useTranslation();
  const { kind, tone, count } = headlineOf(state, isSilent);
  const subject = state.running ?? state.rolledBack;
  const gone = wentBackTo(state);
  const goneName = gone === undefined ? '' : packageName(t, gone.kind, gone.version);
  const values = {
    count,
    operation: state.running === null ? '' : operationText(t, state.running),
    name: subject === null ? goneName : packageName(t, subject.kind, subject.toVersion),
  };
  return (
    <div className={classes['headline']}>
      <Headline tone={tone} text={t(`updates:headline.${kind}`, values)}>
        <HeadlineNote>{t(`updates:headlineNote.${kind}`)}</HeadlineNote>
        <OlderPageHint state={state} />
      </Headline>
    </div>
  );
}

/** After a base update this page is the old version's until it is loaded again. */
function OlderPageHint({ state }: { state: UpdatesState }) {
  const { t } = useTranslation();
  const version = state.installed.find(({ kind }) => kind === 'base')?.version;
  const [versionAtStart] = useState(version);
  if (version === versionAtStart || state.running !== null) return null;
  return (
    <div className={classes['headlineAction']}>
      <Button variant="default" onClick={() => window.location.reload()}>
        {t('updates:loadNewPage', { version })}
      </Button>
    </div>
  );
}
