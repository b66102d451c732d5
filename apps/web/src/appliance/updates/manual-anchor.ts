/** Where Manual Installation begins on the page. */
export const MANUAL_ANCHOR = 'manual-installation';
