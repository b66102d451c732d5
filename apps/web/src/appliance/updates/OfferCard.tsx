import { useTranslation } from 'react-i18next';
import { Button } from '@mantine/core';
import type { Offer, UpdatesState } from '@bascule/protocol/api/updates.ts';
import { StateMark } from '../../shared/Section.tsx';
import { formatBytes, formatMinute } from '../../shared/format.ts';
import type { Intent } from './InstallDialog.tsx';
import { blockedTexts, notesOf, packageName } from './update-texts.ts';
import { effectsOf } from './updates-model.ts';
import classes from './updates.module.css';

interface OfferCardProps {
  offer: Offer;
  /** What is installed now, when somebody went back to it from this version. */
  left: UpdatesState['installed'][number] | undefined;
  /** Something is being installed: nothing else can be begun. */
  isBusy: boolean;
  onIntent: (intent: Intent) => void;
}

/** One available package: what it is, what it brings, what it does to those who work, and what can be done with it. */
export function OfferCard({ offer, left, isBusy, onIntent }: OfferCardProps) {
  const { t } = useTranslation();
  const { manifest } = offer;
  const isBlocked = offer.state === 'blocked';
  const name = packageName(t, manifest.kind, manifest.version);
  const notes = notesOf(manifest.notes);
  return (
    <li className={classes['offer']} data-blocked={isBlocked} aria-label={name}>
      <div className={classes['offerHead']}>
        <strong>{name}</strong>
        {manifest.emergency && <StateMark tone="bad">{t('updates:offer.emergency')}</StateMark>}
        <span className="b-quiet">{formatBytes(offer.downloadBytes)}</span>
        <span className="b-quiet">{t('updates:offer.released', { at: formatMinute(manifest.releasedAtMs) })}</span>
        <span className="b-quiet">{t('updates:offer.revision', { revision: manifest.revision })}</span>
        <DownloadMark offer={offer} />
      </div>
      {left !== undefined && (
        <p className="b-quiet">
          {t('updates:offer.left', { at: left.installedAtMs === null ? '–' : formatMinute(left.installedAtMs) })}
        </p>
      )}
      {isBlocked && (
        <ul className={classes['blocked']}>
          {blockedTexts(t, offer).map((text) => (
            <li key={text}>
              <StateMark tone="warn">{text}</StateMark>
            </li>
          ))}
        </ul>
      )}
      {notes !== '' && <p className={classes['notes']}>{notes}</p>}
      <ul className={classes['effects']} aria-label={t('updates:offer.effects')}>
        {effectsOf(manifest).map((effect) => (
          <li key={effect}>{t(`updates:effect.${effect}`)}</li>
        ))}
      </ul>
      <OfferActions offer={offer} left={left} name={name} isBusy={isBusy} onIntent={onIntent} />
    </li>
  );
}

function DownloadMark({ offer }: { offer: Offer }) {
  const { t } = useTranslation();
  if (offer.downloadedAtMs !== null)
    return <StateMark tone="ok">{t('updates:offer.downloaded', { at: formatMinute(offer.downloadedAtMs) })}</StateMark>;
  if (offer.downloadedBytes === 0) return null;
  return (
    <span className="b-quiet">
      {t('updates:offer.partly', { done: formatBytes(offer.downloadedBytes), total: formatBytes(offer.downloadBytes) })}
    </span>
  );
}

function OfferActions({ offer, left, name, isBusy, onIntent }: OfferCardProps & { name: string }) {
  const { t } = useTranslation();
  const isBlocked = offer.state === 'blocked';
  const isHere = offer.downloadedAtMs !== null;
  return (
    <div className={classes['offerActions']}>
      <Button
        variant={left === undefined ? 'filled' : 'default'}
        disabled={isBlocked || isBusy}
        onClick={() => onIntent({ operation: 'install', offer })}
        aria-label={t('updates:offer.installName', { name })}
      >
        {t('updates:offer.install')}
      </Button>
      <Button
        variant="default"
        disabled={isHere || isBusy}
        onClick={() => onIntent({ operation: 'download', offer })}
        aria-label={t('updates:offer.downloadName', { name })}
      >
        {t('updates:offer.download')}
      </Button>
      {offer.manifest.kind === 'site' && (
        <Button
          variant="default"
          disabled={isBlocked || isBusy}
          onClick={() => onIntent({ operation: 'trial', offer })}
          aria-label={t('updates:offer.trialName', { name })}
        >
          {t('updates:offer.trial')}
        </Button>
      )}
      <Button
        variant="default"
        disabled={isBusy}
        onClick={() => onIntent({ operation: 'preflight', offer })}
        aria-label={t('updates:offer.preflightName', { name })}
      >
        {t('updates:offer.preflight')}
      </Button>
    </div>
  );
}
