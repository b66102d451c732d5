import { useTranslation } from 'react-i18next';
import type { Installer } from '@bascule/protocol/api/installers.ts';
import { StateMark } from '../../shared/Section.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { formatBytes } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';
import { problemText } from './problem-text.ts';
import classes from './installers.module.css';

/** The files of an installer, with what they are for, how large they are, or why one cannot be made here. `isShort`: by format alone. */
export function InstallerFiles({ installer, isShort = false }: { installer: Installer; isShort?: boolean }) {
  const { t } = useTranslation();
  const api = useApi();
  if (isShort)
    return (
      <span className={classes['formats']}>
        {installer.files
          .filter((file) => file.problem === null)
          .map(({ format, name }) => (
            <a
              key={format}
              href={api.url(apiPaths.installerFile(installer.id, format))}
              download={name}
              aria-label={t('installers:downloadName', { name })}
            >
              {format}
            </a>
          ))}
      </span>
    );
  return (
    <ul className={classes['files']} aria-label={t('installers:files')}>
      {installer.files.map((file) => (
        <li key={file.format}>
          <div>
            <strong>{file.name}</strong>{' '}
            <span className="b-quiet">{t(`installers:formatMeans.${file.format.replace('.', '-')}`)}</span>
          </div>
          {file.problem === null ? (
            <a href={api.url(apiPaths.installerFile(installer.id, file.format))} download={file.name}>
              {file.bytes === null
                ? t('installers:downloadMade', { format: file.format })
                : t('installers:download', { format: file.format, bytes: formatBytes(file.bytes) })}
            </a>
          ) : (
            <StateMark tone="warn">{problemText(file.problem)}</StateMark>
          )}
        </li>
      ))}
    </ul>
  );
}
