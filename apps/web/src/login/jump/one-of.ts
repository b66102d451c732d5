/** `value` if it is one of `options`. */
export function oneOf<Option extends string>(options: readonly Option[], value: string | undefined): Option | undefined {
  return options.find((option) => option === value);
}
