/** The nonce that the server put into this page; style elements without it are refused by the content security policy. */
export function cspNonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? '';
}

/**
 * Gives every style element that a library makes from now on (the terminal, scroll locking, the component library) the page's nonce.
 * Those libraries run as our own code already; the policy is there against injected markup, which never passes `createElement`.
 */
export function applyNonceToStyleElements(): void {
  const nonce = cspNonce();
  const createElement = document.createElement.bind(document);
  const withNonce = (name: string, options?: ElementCreationOptions): HTMLElement => {
    const element = createElement(name, options);
    if (name.toLowerCase() === 'style') element.setAttribute('nonce', nonce);
    return element;
  };
  document.createElement = withNonce as typeof document.createElement;
}
