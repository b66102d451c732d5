import type { KeyObject } from 'node:crypto';

/** Roles of a Bascule repository (package-format 3). */
export const TUF_ROLES = ['root', 'targets', 'snapshot', 'timestamp', 'base', 'site', 'licence', 'client', 'runtime'] as const;
export type TufRole = (typeof TUF_ROLES)[number];
/** Roles to which `targets` delegates; each may sign only targets below `<role>/`. */
export const DELEGATED_ROLES = ['base', 'site', 'licence', 'client', 'runtime'] as const;
export type DelegatedRole = (typeof DELEGATED_ROLES)[number];

/** Makes an Ed25519 key in `file` (PKCS#8 PEM, 0600). Throws `KEY_FILE_EXISTS`: a key is never overwritten. */
export async function createKeyFile(_file: string): Promise<KeyObject> {
  throw new Error('not yet');
}
/** Reads a key file. Throws `KEY_FILE_UNREADABLE`. */
export async function readKeyFile(_file: string): Promise<KeyObject> {
  throw new Error('not yet');
}
/** Development keys of `folder`: `root-1.pem` ... `root-3.pem`, `targets.pem`, `base.pem` ...: made on first use, 0600. */
export async function openDevelopmentKeys(_folder: string): Promise<Record<TufRole, KeyObject[]>> {
  throw new Error('not yet');
}
/** The TUF key id of a key. */
export function keyIdOf(_key: KeyObject): string {
  return '';
}
