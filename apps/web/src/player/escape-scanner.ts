/**
 * Follows a terminal's output through its escape sequences, without understanding them: to find the text that a person would read
 * (for the search), and the places where a screen may be captured (never inside a sequence). States as in ECMA-48, section 5.
 */
type State = 'ground' | 'escape' | 'control-sequence' | 'string' | 'string-escape';

const ESCAPE = '\u001b';
const BELL = '\u0007';
// CAN and SUB abort any sequence.
const ABORTS = new Set(['\u0018', '\u001a']);
/** What follows ESC and opens a string that ends with ST or BEL: DCS, SOS, OSC, PM, APC. */
const STRING_OPENERS = new Set(['P', 'X', ']', '^', '_']);
// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const UNREADABLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

export class EscapeScanner {
  #state: State = 'ground';

  /** Whether the text so far ends in the middle of an escape sequence. */
  get insideSequence(): boolean {
    return this.#state !== 'ground';
  }

  /** Takes the next piece of output and gives its readable characters, newlines and tabs among them. */
  feed(text: string): string {
    let plain = '';
    let at = 0;
    while (at < text.length) {
      if (this.#state === 'ground') {
        const escape = text.indexOf(ESCAPE, at);
        plain += text.slice(at, escape === -1 ? text.length : escape);
        if (escape === -1) break;
        this.#state = 'escape';
        at = escape + 1;
      } else {
        this.#step(text.charAt(at));
        at += 1;
      }
    }
    return plain.replace(UNREADABLE, '');
  }

  #step(character: string): void {
    if (ABORTS.has(character)) this.#state = 'ground';
    else if (this.#state === 'escape') this.#state = afterEscape(character);
    else if (this.#state === 'control-sequence') {
      if (character === ESCAPE) this.#state = 'escape';
      else if (character >= '@' && character <= '~') this.#state = 'ground';
    } else if (this.#state === 'string') {
      if (character === BELL) this.#state = 'ground';
      else if (character === ESCAPE) this.#state = 'string-escape';
    } else this.#state = character === '\\' ? 'ground' : afterEscape(character);
  }
}

function afterEscape(character: string): State {
  if (character === '[') return 'control-sequence';
  if (STRING_OPENERS.has(character)) return 'string';
  // A second ESC starts over; intermediate bytes (as in ESC ( B) wait for their final one.
  return character === ESCAPE || (character >= ' ' && character <= '/') ? 'escape' : 'ground';
}
