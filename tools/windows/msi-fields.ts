/** Places in a finished package whose bytes an appliance exchanges: values of public properties, each of a fixed length (docs/decisions/0155-one-package-for-all-appliances.md). */

/** Lengths in bytes. KEY: an installer token (protocol `installerTokenText`); SITE: `https://`, a DNS name of 253, a port. */
export const MSI_FIELDS = { SITE: 272, KEY: 136, MODE: 8, WAITSFOR: 24 } as const;
export type MsiFieldName = keyof typeof MSI_FIELDS;

/** What stands in the package as built. */
export function placeholderOf(name: MsiFieldName): string {
  return `@${name}@`.padEnd(MSI_FIELDS[name], '.');
}

/** Where each field's value begins in `msi`. Throws when one is not there exactly once, in one piece. */
export function findFields(msi: Buffer): Record<MsiFieldName, { offset: number; bytes: number }> {
  const found = Object.entries(MSI_FIELDS).map(([name, bytes]) => {
    const placeholder = Buffer.from(placeholderOf(name as MsiFieldName), 'latin1');
    const offset = msi.indexOf(placeholder);
    if (offset < 0 || msi.indexOf(placeholder, offset + 1) >= 0)
      throw new Error(`The package does not hold the property ${name} once and in one piece.`);
    return [name, { offset, bytes }];
  });
  return Object.fromEntries(found) as Record<MsiFieldName, { offset: number; bytes: number }>;
}
