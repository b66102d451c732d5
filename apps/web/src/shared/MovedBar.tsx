import { useTranslation } from 'react-i18next';
import classes from './TestBar.module.css';

/** On every page of a box whose site was moved for good, also before a login: where it is (B203). */
export function MovedBar({ appliance, url }: { appliance: string; url: string }) {
  const { t } = useTranslation();
  return (
    <aside className={classes['bar']} role="status">
      <strong>{t('shared:moved.title', { name: appliance })}</strong> <a href={url}>{t('shared:moved.open')}</a>
    </aside>
  );
}
