import { useTranslation } from 'react-i18next';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Section } from '../../shared/Section.tsx';
import { DownloadsTable } from './DownloadsTable.tsx';
import { useDownloads } from './installer-queries.ts';

/** My account > Downloads: consoles and other software of this site (B29, B92). */
export function DownloadsPage() {
  const { t } = useTranslation();
  const downloads = useDownloads();
  if (downloads.isError && downloads.data === undefined) return <QueryFailure query={downloads} />;
  const consoles = downloads.data?.downloads.filter((download) => download.program === 'console');
  const others = downloads.data?.downloads.filter((download) => download.program !== 'console');
  return (
    <>
      <Section title={t('installers:consoles.title')} note={t('installers:consoles.note')}>
        <DownloadsTable label={t('installers:consoles.title')} downloads={consoles} />
      </Section>
      {others !== undefined && others.length > 0 && (
        <Section title={t('installers:others.title')} note={t('installers:others.note')}>
          <DownloadsTable label={t('installers:others.title')} downloads={others} />
        </Section>
      )}
    </>
  );
}
