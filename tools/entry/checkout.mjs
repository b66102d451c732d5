import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout these scripts belong to. */
export const checkout = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** The pinned Node 26 that npm installed for this platform. */
export const runtimePackage = join(checkout, 'node_modules', `node-${process.platform}-${process.arch}`);
export const runtime = join(runtimePackage, 'bin', 'node');

export const isRoot = process.getuid?.() === 0;
