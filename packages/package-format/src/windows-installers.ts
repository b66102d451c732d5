/** `client/windows-installers-<version>.tar.zst`: the Windows packages of a site release, in pieces (docs/spec/package-format.md, 9.7). */
import { z } from 'zod';
import { clientProgram, type ClientProgram } from '@bascule/protocol/client-program.ts';
import { packageVersion } from '@bascule/protocol/package-manifest.ts';
import { byteCount, sha256Hex } from '@bascule/protocol/text.ts';

/** Of the archive: node.exe, and some hundred kilobytes for each program. */
export const WINDOWS_INSTALLERS_LIMITS = { unpackedBytes: 512 * 1024 * 1024, fileCount: 40 };
/** Programs that have a Windows package. */
export const WINDOWS_PROGRAMS = ['jump-client', 'console'] as const satisfies readonly ClientProgram[];
/** What stands at a field's place, when nothing is to stand there. */
const BLANK = ' ';

/** Where the value of a public property stands in a package: text in so many bytes, blanks at its end. */
const field = z.object({ offset: byteCount, bytes: z.number().int().min(1).max(1024) });

/** `about.json` in the archive. Only additions are allowed. */
export const windowsInstallersAbout = z.object({
  format: z.literal('bascule-windows-installers/1'),
  version: packageVersion,
  packages: z
    .array(
      z.object({
        program: clientProgram,
        /** By which Windows knows it. */
        productCode: z.string().regex(/^\{[0-9A-F-]{36}\}$/),
        bytes: byteCount,
        /** Of the package as it was built, with no value set. */
        sha256: sha256Hex,
        /** Files of the archive, which one after the other are the package. */
        pieces: z
          .array(z.object({ file: z.string().regex(/^[a-z0-9-]+\.bin$/), bytes: byteCount }))
          .min(1)
          .max(10),
        fields: z.object({ SITE: field, KEY: field, MODE: field, WAITSFOR: field }),
      }),
    )
    .max(10),
});
export type WindowsInstallersAbout = z.infer<typeof windowsInstallersAbout>;
export type WindowsPackage = WindowsInstallersAbout['packages'][number];
export type WindowsPackageFields = { [name in keyof WindowsPackage['fields']]: string };

/** The TUF target of a version's Windows packages; also the name in the site package. */
export function windowsInstallersTarget(version: string): string {
  return `client/windows-installers-${version}.tar.zst`;
}

/**
 * Writes `values` into `bytes`, the piece of a package that begins at `start`; fields in other pieces are passed over. Gives a copy. Throws RangeError when a value is longer than its place or no
 * printable ASCII: nothing of it may end up in another one's.
 */
export function withFields(
  bytes: Uint8Array,
  start: number,
  fields: WindowsPackage['fields'],
  values: WindowsPackageFields,
): Buffer {
  const filled = Buffer.from(bytes);
  for (const [name, { offset, bytes: length }] of Object.entries(fields)) {
    const value = values[name as keyof WindowsPackageFields];
    if (value.length > length || !/^[\x20-\x7e]*$/.test(value))
      throw new RangeError(`${name} does not fit into a Windows package.`);
    if (offset < start || offset + length > start + bytes.length) continue;
    filled.write(value.padEnd(length, BLANK), offset - start, 'latin1');
  }
  return filled;
}
