import { useTranslation } from 'react-i18next';
import i18next from 'i18next';
import type { EstablishPreview, PairCheck } from '@bascule/protocol/api/failover.ts';
import { StateMark } from '../../shared/Section.tsx';
import { formatBytes, formatCount, formatDuration } from '../../shared/format.ts';
import { Figures } from './CopySection.tsx';
import { mayEstablish } from './failover-model.ts';
import classes from './failover.module.css';

const TONES = { green: 'ok', amber: 'warn', red: 'bad' } as const;

/** What was found by asking both ways, before anything is done: line by line, then what the first copy moves and what it replaces. */
export function EstablishPreviewPanel({ preview, isCurrent }: { preview: EstablishPreview; isCurrent: boolean }) {
  const { t } = useTranslation();
  const { peer, firstCopy } = preview;
  const bytes = firstCopy.databaseBytes + firstCopy.recordingBytes + firstCopy.fileBytes;
  return (
    <section className={classes['panel']} data-part="preview" aria-label={t('failover:preview.title')} data-stale={!isCurrent}>
      <h3 className={classes['panelTitle']} role="status">
        {t(mayEstablish(preview) ? 'failover:preview.fine' : 'failover:preview.notFine')}
      </h3>
      {!isCurrent && <p className={classes['line']}>{t('failover:preview.old')}</p>}
      {peer !== null && (
        <p className={classes['line']}>
          {t('failover:preview.peer', { name: peer.name, version: peer.version })} <code>{peer.keySha256}</code>
        </p>
      )}
      <ul className={classes['checks']}>
        {preview.checks.map((check, index) => (
          <li key={`${index} ${check.code}`}>
            <StateMark tone={TONES[check.outcome]}>
              <span className="b-visually-hidden">{t(`failover:outcome.${check.outcome}`)}</span>{' '}
              <span className={classes['checkText']}>{checkText(check)}</span>
            </StateMark>
          </li>
        ))}
      </ul>
      <Figures
        facts={[
          [t('failover:preview.bytes'), formatBytes(bytes)],
          [
            t('failover:preview.seconds'),
            firstCopy.seconds === null
              ? t('failover:preview.secondsUnknown')
              : t('failover:about', { time: formatDuration(Math.max(1, firstCopy.seconds) * 1000) }),
          ],
          [t('failover:preview.replaced'), replacedText(t, preview)],
        ]}
      />
    </section>
  );
}

/** What the backup has now and would archive. */
export function replacedText(t: ReturnType<typeof useTranslation>['t'], { peer, replaced }: EstablishPreview): string {
  if (peer === null) return t('failover:preview.replacedUnknown');
  if (replaced === null) return t('shared:none');
  return t('failover:preview.replacedText', {
    users: formatCount(replaced.users),
    items: formatCount(replaced.jumpItems),
    sessions: formatCount(replaced.sessions),
    bytes: formatBytes(replaced.recordingBytes),
  });
}

/** Checks that say why somebody cannot be reached. */
const OF_REACHING = new Set(['peer-answers', 'reverse-connection']);

function checkText({ code, outcome, text, params }: PairCheck): string {
  const key = `failover:check.${code}.${outcome}`;
  const said = i18next.exists(key) ? i18next.t(key, params) : text;
  const translated = outcome === 'red' && OF_REACHING.has(code) ? `${said} ${unreachedText(params['why'])}` : said;
  // A check of which the appliance says less, or more, than this page knows: its own sentence is whole.
  return translated.includes('{{') ? text : translated;
}

/** What a person looks at first, by what came of asking. */
function unreachedText(why: PairCheck['params'][string] | undefined): string {
  const key = `failover:unreached.${why}`;
  return i18next.exists(key) ? i18next.t(key) : i18next.t('failover:unreached.unknown');
}
