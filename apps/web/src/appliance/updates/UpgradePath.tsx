import { useTranslation } from 'react-i18next';
import type { Offer, PathStep } from '@bascule/protocol/api/updates.ts';
import { formatBytes } from '../../shared/format.ts';
import { pathText } from './update-texts.ts';
import { missingBytes } from './updates-model.ts';
import classes from './updates.module.css';

/** The way from here to the newest versions, in order, with its waits (B82-B89). */
export function UpgradePath({ path, offers }: { path: PathStep[]; offers: Offer[] }) {
  const { t } = useTranslation();
  const totalBytes = path.reduce((sum, step) => sum + missingBytes(step, offers), 0);
  return (
    <div className={classes['path']}>
      <h3>{t('updates:path.title')}</h3>
      <ol>
        {path.map((step, index) => (
          <li key={`${step.action} ${step.target ?? index}`} data-action={step.action}>
            {pathText(t, step)}
            {missingBytes(step, offers) > 0 && <span className="b-quiet"> · {formatBytes(missingBytes(step, offers))}</span>}
            {step.action === 'wait-for-clients' && (
              <span className="b-quiet">
                {' · '}
                {step.clients === undefined
                  ? t('updates:path.waitNote')
                  : t('updates:path.waitCount', { count: step.clients.pending, total: step.clients.total })}
              </span>
            )}
          </li>
        ))}
      </ol>
      {totalBytes > 0 && <p className="b-quiet">{t('updates:path.total', { size: formatBytes(totalBytes) })}</p>}
    </div>
  );
}
