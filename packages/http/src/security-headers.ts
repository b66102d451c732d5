/** Directive → sources; `{nonce}` stands for the page's nonce. An empty text removes the directive. */
export type ContentSecurityPolicy = Record<string, string>;

const PAGE_POLICY: ContentSecurityPolicy = {
  'default-src': "'none'",
  'script-src': "'self'",
  'style-src': "'self' 'nonce-{nonce}'",
  'img-src': "'self' data:",
  'font-src': "'self'",
  'connect-src': "'self'",
  'manifest-src': "'self'",
  'frame-ancestors': "'none'",
  'base-uri': "'none'",
  'form-action': "'self'",
};

/** For everything that is not a page: nothing may come of it, whatever a browser takes it for. */
export const ANSWER_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/** On every answer. HSTS is base's business: it alone knows whether the certificate is a self-made one. */
export const SECURITY_HEADERS: Record<string, string> = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': [
    'publickey-credentials-get=(self), publickey-credentials-create=(self), clipboard-read=(self), clipboard-write=(self)',
    'camera=(), microphone=(), geolocation=(), usb=(), serial=(), hid=(), payment=(), display-capture=()',
  ].join(', '),
};

/** The content security policy of a page whose style elements carry `nonce`; `overrides` replaces single directives. */
export function pagePolicy(nonce: string, overrides: ContentSecurityPolicy = {}): string {
  return Object.entries({ ...PAGE_POLICY, ...overrides })
    .filter(([, sources]) => sources !== '')
    .map(([directive, sources]) => `${directive} ${sources.replaceAll('{nonce}', nonce)}`)
    .join('; ');
}
