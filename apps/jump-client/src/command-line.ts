/** The one line that Windows gives to a program, such that it reads `words` from it (the rules of CommandLineToArgvW: backslashes count before quotes alone). */
export function commandLineOf(words: readonly string[]): string {
  return words.map(quoted).join(' ');
}

function quoted(word: string): string {
  if (word !== '' && !/[\s"]/.test(word)) return word;
  return `"${word.replaceAll(/(\\*)"/g, '$1$1\\"').replace(/(\\+)$/, '$1$1')}"`;
}
