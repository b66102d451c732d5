/** What the web is served with: this box's own certificate, and the one of the shared name that a primary handed over. */
export { HandedCertificate, type CertificateQuestion } from './handed-certificate.ts';
export {
  openWebCertificate,
  readWebCertificate,
  RENEW_BEFORE_DAYS,
  SELF_MADE_DAYS,
  type WebCertificate,
} from './web-certificate.ts';
