import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Alert, Button, Checkbox, Radio } from '@mantine/core';
import type { FailoverState, PairConflict } from '@bascule/protocol/api/failover.ts';
import { HeadlineNote } from '../../shared/Headline.tsx';
import { formatBytes, formatCount, formatInstant } from '../../shared/format.ts';
import { DangerDialog, Whom } from './DangerDialog.tsx';
import { useFailoverAct } from './failover-queries.ts';
import classes from './failover.module.css';

/** Two histories side by side, and Fix: nothing is discarded before it was shown, and what is discarded is archived. */
export function ConflictSection({ conflict, state }: { conflict: PairConflict; state: FailoverState }) {
  const { t } = useTranslation();
  const [isAsking, setAsking] = useState(false);
  return (
    <div className={classes['conflict']}>
      <HeadlineNote>{t('failover:since', { at: formatInstant(conflict.sinceMs) })}</HeadlineNote>
      <div className={classes['panels']}>
        {conflict.sides.map((side) => (
          <SideHistory key={side.appliance} side={side} isRecommended={side.appliance === conflict.recommended} />
        ))}
      </div>
      <Button color="red" mt="sm" disabled={state.busy !== null} onClick={() => setAsking(true)}>
        {t('failover:action.fix')}
      </Button>
      {isAsking && <FixDialog conflict={conflict} state={state} onClose={() => setAsking(false)} />}
    </div>
  );
}

type Side = PairConflict['sides'][number];

function SideHistory({ side, isRecommended }: { side: Side; isRecommended: boolean }) {
  const { t } = useTranslation();
  return (
    <section className={classes['panel']} aria-label={side.appliance}>
      <h3 className={classes['panelTitle']}>
        {side.appliance} {isRecommended && <span className={classes['tag']}>{t('failover:conflict.recommended')}</span>}
      </h3>
      <p className={classes['tabular']}>{sideText(t, side)}</p>
      {side.events.length > 0 && (
        <ol className={classes['events']} aria-label={t('failover:conflict.events', { name: side.appliance })} tabIndex={0}>
          {side.events.map((event, index) => (
            <li key={`${index} ${event.atMs}`}>
              <span className="b-mono">{formatInstant(event.atMs)}</span> {event.actor}: {event.summary}
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

function sideText(t: ReturnType<typeof useTranslation>['t'], side: Side): string {
  const values = {
    count: side.changes,
    changes: formatCount(side.changes),
    sessions: formatCount(side.sessions),
    recordings: formatBytes(side.recordingBytes),
    at: side.sinceMs === null ? '' : formatInstant(side.sinceMs),
    epoch: String(side.epoch),
  };
  return t(side.changes === 0 ? 'failover:conflict.hasNothing' : 'failover:conflict.has', values);
}

function FixDialog({ conflict, state, onClose }: { conflict: PairConflict; state: FailoverState; onClose: () => void }) {
  const { t } = useTranslation();
  const act = useFailoverAct();
  const [keep, setKeep] = useState(conflict.recommended ?? '');
  const [accepted, setAccepted] = useState('');
  const discarded = conflict.sides.find(({ appliance }) => appliance !== keep);
  const names = { keep, discard: discarded?.appliance ?? '' };
  return (
    <DangerDialog
      title={t('failover:fix.title')}
      consequences={{
        what: keep === '' ? t('failover:fix.choose') : t('failover:fix.what', names),
        whom: <Whom state={state} note={t('failover:fix.whom')} />,
        time: t('failover:fix.time'),
        undo: t('failover:fix.undo', names),
      }}
      confirm={t('failover:action.fix')}
      isReady={keep !== '' && accepted === keep}
      act={() => act('fix', { keep })}
      onClose={onClose}
    >
      <Radio.Group label={t('failover:fix.keep')} value={keep} onChange={setKeep}>
        {conflict.sides.map(({ appliance }) => (
          <Radio key={appliance} value={appliance} label={appliance} mt={6} />
        ))}
      </Radio.Group>
      {keep !== '' && discarded !== undefined && (
        <>
          <Alert color="red" role="alert" py="xs" title={t('failover:fix.discarded', names)}>
            {sideText(t, discarded)} {t('failover:fix.archived')}
          </Alert>
          <Checkbox
            label={t('failover:fix.accept', names)}
            checked={accepted === keep}
            onChange={(event) => setAccepted(event.currentTarget.checked ? keep : '')}
          />
        </>
      )}
    </DangerDialog>
  );
}
