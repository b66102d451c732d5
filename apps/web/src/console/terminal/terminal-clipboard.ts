/** Copy and paste of a terminal: by shortcut, menu and middle button, all through the paste guard. */
import { decidePaste, pasteInput, type PasteDecision } from './paste-guard.ts';
import type { TerminalView } from './terminal-view.ts';

export interface ClipboardHandlers {
  send: (text: string) => void;
  /** Several lines, or too many characters: to be told to the person. */
  ask: (decision: Exclude<PasteDecision, { kind: 'send' | 'nothing' }>) => void;
}

/** Copies what is selected; false when nothing is. */
export function copySelection(view: TerminalView): boolean {
  const selection = view.terminal.getSelection();
  if (selection === '') return false;
  void navigator.clipboard.writeText(selection);
  return true;
}

/** Takes `text` as a paste into the terminal. */
export function pasteText(view: TerminalView, text: string, handlers: ClipboardHandlers): void {
  const bracketed = view.terminal.modes.bracketedPasteMode;
  const decision = decidePaste(text, bracketed);
  if (decision.kind === 'send') handlers.send(pasteInput(decision.text, bracketed));
  else if (decision.kind !== 'nothing') handlers.ask(decision);
}

/** Takes over the browser's paste events inside `place`, before the terminal sees them. Gives back what ends that. */
export function guardPaste(place: HTMLElement, view: TerminalView, handlers: ClipboardHandlers): () => void {
  const onPaste = (event: ClipboardEvent): void => {
    event.preventDefault();
    event.stopImmediatePropagation();
    pasteText(view, event.clipboardData?.getData('text/plain') ?? '', handlers);
  };
  place.addEventListener('paste', onPaste, { capture: true });
  return () => place.removeEventListener('paste', onPaste, { capture: true });
}
