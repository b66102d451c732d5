/** In the address of the page that waits for a reset to end. */
export const ERASING_HASH = '#erasing';
