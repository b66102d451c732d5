import i18next from 'i18next';
import type { VaultKeyState, VaultSecret } from '@bascule/protocol/api/vault.ts';
import type { Tone } from '../../shared/Section.tsx';

export type VaultStanding = 'unreadable' | 'rotating' | 'waiting' | 'never-downloaded' | 'outdated' | 'fine';
const TONES: Record<VaultStanding, Tone> = {
  unreadable: 'bad',
  rotating: 'off',
  waiting: 'warn',
  'never-downloaded': 'warn',
  outdated: 'warn',
  fine: 'ok',
};

/** How things stand with the vault key: what is worst counts. */
export function vaultStanding({ unreadable, rotation, download }: VaultKeyState): { standing: VaultStanding; tone: Tone } {
  const standing = standingOf();
  return { standing, tone: TONES[standing] };
  function standingOf(): VaultStanding {
    if (unreadable > 0) return 'unreadable';
    if (rotation !== null) return rotation.waitsFor === null ? 'rotating' : 'waiting';
    if (download === null) return 'never-downloaded';
    return download.isOutdated ? 'outdated' : 'fine';
  }
}

/** `3f0a 91c2 …`: read aloud and compared in groups. */
export function groupedKeyId(keyId: string): string {
  return keyId.replace(/(.{4})(?=.)/g, '$1 ');
}

/** What a kind of secret is; of a kind that this page does not know yet: its own name. */
export function kindText(kind: string): string {
  const key = `vault:kind.${kind}`;
  return i18next.exists(key) ? i18next.t(key) : kind;
}

/** One secret by what it is of; in the site's English words where the page does not know its kind. */
export function secretText({ kind, name, words }: Pick<VaultSecret, 'kind' | 'name' | 'words'>): string {
  if (!i18next.exists(`vault:kind.${kind}`)) return words;
  return name === '' ? kindText(kind) : `${kindText(kind)}: ${name}`;
}

/** A file's bytes in base64, as the API takes them. */
export async function base64Of(file: Blob): Promise<string> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}
