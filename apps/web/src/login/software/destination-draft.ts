import { backupDestinationBody, type BackupDestination, type BackupDestinationBody } from '@bascule/protocol/api/backup.ts';
import { SSH_PORT } from './destination-choices.ts';

export type SecretKind = 'keep' | 'password' | 'private-key';
/** What stands in the dialogue; what belongs to the other kind of place is kept while one is chosen. */
export interface DestinationDraft {
  kind: 'folder' | 'sftp';
  name: string;
  folder: string;
  host: string;
  /** NaN while the field is empty. */
  port: number;
  account: string;
  path: string;
  /** Empty until the server was asked. */
  hostKey: string;
  /** Somebody says that it is the server's. */
  isHostKeyConfirmed: boolean;
  secretKind: SecretKind;
  password: string;
  privateKey: string;
  passphrase: string;
}

/** Of a destination that is edited, or a new one. */
export function draftOf(edited: BackupDestination | undefined): DestinationDraft {
  const empty: DestinationDraft = {
    kind: 'sftp',
    name: edited?.name ?? '',
    folder: '',
    host: '',
    port: SSH_PORT,
    account: '',
    path: '',
    hostKey: '',
    isHostKeyConfirmed: false,
    secretKind: 'password',
    password: '',
    privateKey: '',
    passphrase: '',
  };
  if (edited === undefined) return empty;
  const { place } = edited;
  if (place.kind === 'folder') return { ...empty, kind: 'folder', folder: place.path };
  const { host, port, account, path, hostKey } = place;
  return { ...empty, host, port, account, path, hostKey, isHostKeyConfirmed: true, secretKind: 'keep' };
}

/** Changed server or account: the key was another server's, and what it is logged in with may not go to this one. */
export function withChange(draft: DestinationDraft, part: Partial<DestinationDraft>): DestinationDraft {
  const next = { ...draft, ...part };
  const isOtherServer = next.host !== draft.host || next.port !== draft.port;
  const isOtherAccount = isOtherServer || next.account !== draft.account;
  return {
    ...next,
    ...(isOtherServer && { hostKey: '', isHostKeyConfirmed: false }),
    ...(isOtherAccount && next.secretKind === 'keep' && { secretKind: 'password' as const }),
  };
}

/** What is sent; undefined while something is missing or not valid. */
export function bodyOf(draft: DestinationDraft): BackupDestinationBody | undefined {
  const { name, kind, host, port, account, path, hostKey } = draft;
  if (kind === 'folder') return parsed({ name, place: { kind, path: draft.folder } });
  if (!draft.isHostKeyConfirmed) return undefined;
  return parsed({ name, place: { kind, host, port, account, path, hostKey, ...secretOf(draft) } });
}

function secretOf({ secretKind, password, privateKey, passphrase }: DestinationDraft): object {
  if (secretKind === 'keep') return {};
  if (secretKind === 'password') return { secret: { kind: secretKind, password } };
  return { secret: { kind: secretKind, privateKey, ...(passphrase !== '' && { passphrase }) } };
}

function parsed(body: unknown): BackupDestinationBody | undefined {
  return backupDestinationBody.safeParse(body).data;
}
