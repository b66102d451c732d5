const HALF_CHARACTERS = 4;

/** What was typed so far as a code is written: capitals, a dash in the middle; other characters are left out. */
export function typedCode(text: string): string {
  const letters = text
    .toUpperCase()
    .replaceAll(/[^A-Z]/g, '')
    .slice(0, 2 * HALF_CHARACTERS);
  return letters.length <= HALF_CHARACTERS ? letters : `${letters.slice(0, HALF_CHARACTERS)}-${letters.slice(HALF_CHARACTERS)}`;
}

/** The code, when it is whole. */
export function completeCode(text: string): string | undefined {
  const code = typedCode(text);
  return code.length === 2 * HALF_CHARACTERS + 1 ? code : undefined;
}
