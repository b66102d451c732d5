/** What the end-to-end tests read from a page: the text of terminals, which are drawn and not marked up. Nothing here changes anything. */
export interface BasculeHooks {
  /** The text of the terminal in front; empty when none is. */
  terminalText?: () => string;
  /** The text of the recording player's terminal. */
  playerText?: () => string;
}

declare global {
  interface Window {
    bascule?: BasculeHooks;
  }
}

/** Sets hooks; gives back what takes them away again. */
export function provideHooks(hooks: BasculeHooks): () => void {
  window.bascule = { ...window.bascule, ...hooks };
  return () => {
    for (const name of Object.keys(hooks) as (keyof BasculeHooks)[])
      if (window.bascule?.[name] === hooks[name]) delete window.bascule?.[name];
  };
}
