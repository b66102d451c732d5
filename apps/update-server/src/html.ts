/** HTML whose values are escaped unless they are HTML already. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Template tag: html`<p>${text}</p>`. */
export function html(strings: TemplateStringsArray, ...values: (Html | string | number)[]): Html {
  return new Html(strings.map((part, index) => part + (index < values.length ? written(values[index] ?? '') : '')).join(''));
}

/** Several pieces one after another. */
export function joined(pieces: readonly Html[]): Html {
  return new Html(pieces.map(({ text }) => text).join(''));
}

function written(value: Html | string | number): string {
  return value instanceof Html ? value.text : String(value).replace(/[&<>"']/g, (character) => ESCAPES[character] ?? '');
}
