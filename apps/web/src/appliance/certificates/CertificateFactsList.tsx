import type { ReactNode } from 'react';
import type { TFunction } from 'i18next';
import { useTranslation } from 'react-i18next';
import type { CertificateFacts } from '@bascule/protocol/api/certificates.ts';
import { Facts } from '../../shared/Section.tsx';
import { formatMinute } from '../../shared/format.ts';
import { keyText } from './certificate-texts.ts';
import classes from './certificates.module.css';

/** What is in a certificate, and each link of its chain. */
export function CertificateFactsList({ facts }: { facts: CertificateFacts }) {
  const { t } = useTranslation();
  const { issuedTo, issuedBy, names, notBeforeMs, notAfterMs, key, signature, serialNumber, sha256, chain, isPubliclyTrusted } =
    facts;
  return (
    <Facts
      rows={[
        [t('certificates:field.issuedTo'), issuedTo],
        [t('certificates:field.names'), mono(names.join(', ') || '–')],
        [t('certificates:field.issuedBy'), issuedBy],
        [t('certificates:field.valid'), mono(`${formatMinute(notBeforeMs)} – ${formatMinute(notAfterMs)}`)],
        [t('certificates:field.key'), `${keyText(key)}, ${signature}`],
        [t('certificates:field.chain'), chain.length === 0 ? t('certificates:details.noChain') : links(facts, t)],
        [t('certificates:field.trust'), t(isPubliclyTrusted ? 'certificates:details.public' : 'certificates:details.private')],
        [t('certificates:field.serial'), mono(serialNumber)],
        ['SHA-256', mono(sha256)],
      ]}
    />
  );
}

const mono = (text: string): ReactNode => <span className={`b-mono ${classes['long']}`}>{text}</span>;

function links({ chain }: CertificateFacts, t: TFunction): ReactNode {
  return (
    <ol className={classes['chain']}>
      {chain.map((link) => (
        <li key={link.sha256}>
          {t(link.isRoot ? 'certificates:details.root' : 'certificates:details.link', {
            name: link.issuedTo,
            until: formatMinute(link.notAfterMs),
          })}
        </li>
      ))}
    </ol>
  );
}
