import { useTranslation } from 'react-i18next';
import type { CertificateWarning } from '@bascule/protocol/api/certificates.ts';
import { StateMark } from '../../shared/Section.tsx';
import { adviceText, WARNING_TONES, warningText } from './certificate-texts.ts';
import classes from './certificates.module.css';

/** Each warning with what to do about it. */
export function WarningList({ warnings }: { warnings: readonly CertificateWarning[] }) {
  const { t } = useTranslation();
  if (warnings.length === 0) return <StateMark tone="ok">{t('certificates:warning.none')}</StateMark>;
  return (
    <ul className={classes['plain']}>
      {warnings.map((warning) => (
        <li key={warning.code}>
          <StateMark tone={WARNING_TONES[warning.severity]}>{warningText(t, warning)}</StateMark>
          <p className={classes['advice']}>{adviceText(t, warning)}</p>
        </li>
      ))}
    </ul>
  );
}
