import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { Button } from '@mantine/core';
import { Section } from '../../shared/Section.tsx';
import { pagePaths } from '../../shared/paths.ts';
import { loginPaths } from '../login-paths.ts';
import classes from './software.module.css';

/** Restore Settings (B192): it is done where it also works when the site does not, and what will happen stands here before. */
export function RestoreSection() {
  const { t } = useTranslation();
  return (
    <Section
      title={t('backup:restore.title')}
      actions={
        <Button component="a" href={pagePaths.restore} variant="default">
          {t('backup:restore.open')}
        </Button>
      }
    >
      <div className="b-panel">
        <p className={classes['line']}>{t('backup:restore.where')}</p>
        <ul className={classes['points']}>
          <li>{t('backup:restore.preview')}</li>
          <li>{t('backup:restore.whole')}</li>
          <li>{t('backup:restore.clients')}</li>
          <li>
            {t('backup:restore.vaultKey')} <Link to={loginPaths.vaultKey}>{t('backup:include.toVaultKey')}</Link>
          </li>
        </ul>
      </div>
    </Section>
  );
}
