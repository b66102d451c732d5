import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button } from '@mantine/core';
import type { Installation, VerificationLine } from '@bascule/protocol/api/updates.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { Section, StateMark } from '../../shared/Section.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { formatMinute } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';
import { packageName, verificationText } from './update-texts.ts';
import { hasGoneBack, type Tone } from './updates-model.ts';
import { useRefreshUpdates } from './updates-queries.ts';
import classes from './updates.module.css';

const TONES: Record<VerificationLine['state'], Tone> = {
  waiting: 'off',
  running: 'warn',
  passed: 'ok',
  failed: 'bad',
  skipped: 'off',
};

/** What was looked at after the last installation (B215), with a real session made by the system; can be repeated. */
export function VerificationSection({ installation, isBusy }: { installation: Installation; isBusy: boolean }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshUpdates();
  const again = useMutation({
    mutationFn: async () => {
      await api.post(apiPaths.updatesAction('verify'), anyAnswer);
      await refresh();
    },
  });
  const lines = installation.verification;
  const isRunning = lines.some((line) => line.state === 'running' || line.state === 'waiting');
  return (
    <Section
      title={t('updates:verify.title')}
      note={t(hasGoneBack(installation) ? 'updates:verify.noteBack' : 'updates:verify.note', {
        name: packageName(t, installation.kind, installation.toVersion),
        at: formatMinute(installation.endedAtMs ?? installation.startedAtMs),
      })}
      actions={
        <Button variant="default" loading={again.isPending || isRunning} disabled={isBusy} onClick={() => again.mutate()}>
          {t('updates:verify.again')}
        </Button>
      }
    >
      <FormFailure error={again.error} />
      <ul className={classes['lines']} aria-live="polite">
        {lines.map((line) => (
          <li key={line.code}>
            <StateMark tone={TONES[line.state]}>
              <span className="b-visually-hidden">{t(`updates:verify.state.${line.state}`)}: </span>
              <span className={classes['lineText']}>{verificationText(line).name}</span>
            </StateMark>
            <span className="b-quiet">{verificationText(line).found}</span>
          </li>
        ))}
        {lines.length === 0 && <li className="b-quiet">{t('updates:verify.none')}</li>}
      </ul>
    </Section>
  );
}
