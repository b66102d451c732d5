import { useTranslation } from 'react-i18next';
import { StateMark } from '../../shared/Section.tsx';
import classes from './software.module.css';

/** What a password of a backup means, or its absence, in words; as high in both cases. */
export function PasswordMeaning({ hasPassword }: { hasPassword: boolean }) {
  const { t } = useTranslation();
  const kind = hasPassword ? 'with' : 'without';
  return (
    <div className={classes['meaning']} data-kind={kind} role="status">
      <StateMark tone={hasPassword ? 'ok' : 'warn'}>
        <strong>{t(`backup:meaning.${kind}.title`)}</strong>
      </StateMark>
      <ul>
        <li>{t(`backup:meaning.${kind}.who`)}</li>
        <li>{t(`backup:meaning.${kind}.identity`)}</li>
        <li>{t(`backup:meaning.${kind}.lost`)}</li>
      </ul>
    </div>
  );
}
