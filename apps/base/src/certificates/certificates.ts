/** What the web is served with: certificates of authorities, this box's own, and the one of the shared name that a primary handed over. */
export { certificateMigrations } from './certificate-migrations.ts';
export { HandedCertificate, type CertificateQuestion } from './handed-certificate.ts';
export { ServedCertificates, type Asked } from './served-certificates.ts';
export {
  openWebCertificate,
  readWebCertificate,
  RENEW_BEFORE_DAYS,
  SELF_MADE_DAYS,
  type WebCertificate,
} from './web-certificate.ts';
export { Certificates, type CertificatesOptions } from './certificates-of-box.ts';
export { certificateSettingsPart } from './certificate-settings-part.ts';
