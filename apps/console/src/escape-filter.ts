/** What `~.` means at the beginning of a line, as in ssh; everything else is passed on unchanged. */
const TILDE = 0x7e;
const DOT = 0x2e;
const RETURN = 0x0d;
const NEWLINE = 0x0a;

export interface Filtered {
  /** To be passed on. */
  bytes: Uint8Array;
  /** `~.` came; what was typed after it is dropped. */
  leaves: boolean;
}

/** Takes typed bytes piece by piece. A `~` at the beginning of a line is held until the next key says what it is. */
export class EscapeFilter {
  #atLineStart = true;
  #holdsTilde = false;

  push(typed: Uint8Array): Filtered {
    const passed: number[] = [];
    for (const byte of typed) {
      if (this.#holdsTilde) {
        this.#holdsTilde = false;
        if (byte === DOT) return { bytes: Uint8Array.from(passed), leaves: true };
        passed.push(TILDE);
        // `~~` is one tilde.
        if (byte === TILDE) {
          this.#atLineStart = false;
          continue;
        }
      } else if (byte === TILDE && this.#atLineStart) {
        this.#holdsTilde = true;
        continue;
      }
      passed.push(byte);
      this.#atLineStart = byte === RETURN || byte === NEWLINE;
    }
    return { bytes: Uint8Array.from(passed), leaves: false };
  }
}
