/** The ALPN protocol by which an authority validates a name (RFC 8737). */
export const ACME_ALPN = 'acme-tls/1';
/** Below it an authority looks for an answer by plain HTTP (RFC 8555, 8.3). */
export const ACME_HTTP_PATH = '/.well-known/acme-challenge/';
/** RFC 8555, 8.1: base64url; authorities' are shorter. */
export const ACME_TOKEN = /^[A-Za-z0-9_-]{1,200}$/;
