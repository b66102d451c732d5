/**
 * What happens to text that a person pastes into a terminal. A shell that has not asked for bracketed paste runs every line of it at once,
 * so several lines are shown first. Escape sequences never pass: pasted text could otherwise end the bracket, or answer for the terminal.
 */

/** A paste larger than this is refused: at most this much input may be under way (wire 4.7). */
export const PASTE_MAX_CHARACTERS = 64 * 1024;
/** How much of a paste the question shows. */
export const PASTE_PREVIEW_LINES = 12;
const PREVIEW_LINE_CHARACTERS = 160;

export type PasteDecision =
  | { kind: 'send'; text: string }
  | { kind: 'ask'; text: string; lines: number; preview: string[] }
  | { kind: 'too-long'; characters: number }
  | { kind: 'nothing' };

// oxlint-disable-next-line no-control-regex -- control characters are what is taken out
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g;

/** The text without control characters other than tab and line end; line ends as the terminal's Return key sends them. */
export function cleanPaste(text: string): string {
  return text.replace(/\r\n|\n/g, '\r').replace(CONTROLS, '');
}

/** Decides about `text` from the clipboard. `bracketed`: the far side has asked for bracketed paste (DECSET 2004). */
export function decidePaste(text: string, bracketed: boolean): PasteDecision {
  const cleaned = cleanPaste(text);
  if (cleaned === '') return { kind: 'nothing' };
  if (cleaned.length > PASTE_MAX_CHARACTERS) return { kind: 'too-long', characters: cleaned.length };
  if (bracketed || !cleaned.includes('\r')) return { kind: 'send', text: cleaned };
  const lines = cleaned.replace(/\r$/, '').split('\r');
  const preview = lines
    .slice(0, PASTE_PREVIEW_LINES)
    .map((line) => (line.length > PREVIEW_LINE_CHARACTERS ? `${line.slice(0, PREVIEW_LINE_CHARACTERS)}…` : line));
  return { kind: 'ask', text: cleaned, lines: lines.length, preview };
}

/** The characters to send for a decided paste, within the bracket that the far side asked for. */
export function pasteInput(text: string, bracketed: boolean): string {
  return bracketed ? `\u001b[200~${text}\u001b[201~` : text;
}
