import { useTranslation } from 'react-i18next';
import type { UpdatesState } from '@bascule/protocol/api/updates.ts';
import { Section } from '../../shared/Section.tsx';
import { DownloadKeyPanel } from './DownloadKeyPanel.tsx';
import { UploadPanel } from './UploadPanel.tsx';
import { MANUAL_ANCHOR } from './manual-anchor.ts';
import classes from './updates.module.css';

/** The way without a connection to the update server (B69-B75): the key goes out, a file comes back. */
export function ManualInstallation({ state }: { state: UpdatesState }) {
  const { t } = useTranslation();
  return (
    <div id={MANUAL_ANCHOR}>
      <Section title={t('updates:manual.title')} note={t('updates:manual.note')}>
        <div className={classes['twoPanels']}>
          <DownloadKeyPanel state={state} />
          <UploadPanel state={state} />
        </div>
      </Section>
    </div>
  );
}
