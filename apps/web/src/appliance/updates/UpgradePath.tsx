import { useTranslation } from 'react-i18next';
import type { PathStep } from '@bascule/protocol/api/updates.ts';
import { formatBytes } from '../../shared/format.ts';
import { pathText } from './update-texts.ts';
import classes from './updates.module.css';

/** The way from here to the newest versions, in order, with its waits (B82-B89). */
export function UpgradePath({ path }: { path: PathStep[] }) {
  const { t } = useTranslation();
  const totalBytes = path.reduce((sum, step) => sum + (step.downloadBytes ?? 0), 0);
  return (
    <div className={classes['path']}>
      <h3>{t('updates:path.title')}</h3>
      <ol>
        {path.map((step, index) => (
          <li key={`${step.action} ${step.target ?? index}`} data-action={step.action}>
            {pathText(t, step)}
            {step.downloadBytes !== null && <span className="b-quiet"> · {formatBytes(step.downloadBytes)}</span>}
            {step.action === 'wait-for-clients' && <span className="b-quiet"> · {t('updates:path.waitNote')}</span>}
          </li>
        ))}
      </ol>
      {totalBytes > 0 && <p className="b-quiet">{t('updates:path.total', { size: formatBytes(totalBytes) })}</p>}
    </div>
  );
}
