/** The password or key of a destination over SFTP, wrapped by the vault key together with the server that it belongs to. */
import type { KeyWrap } from '@bascule/accounts/key-wrap.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { z } from 'zod';
import { openPlace, type OpenPlace } from './backup-order.ts';
import { destinationPurpose } from './backup-wrapped.ts';

type SftpPlace = Extract<OpenPlace, { kind: 'sftp' }>;
export type SftpSecret = SftpPlace['secret'];
/** What says where a secret may be sent. */
type Server = Pick<SftpPlace, 'host' | 'port' | 'account' | 'hostKey'>;

const SERVER_FIELDS = ['host', 'port', 'account', 'hostKey'] as const;
const { secret: sftpSecret, ...places } = openPlace.options[1].shape;
/** Absent in what was stored before it was bound. */
const bound = z.object({
  server: z.object({ host: places.host, port: places.port, account: places.account, hostKey: places.hostKey }).optional(),
});

/** Whether both are the same account of the same server, known by the same key. */
export function isSameServer(one: Server, other: Server): boolean {
  return SERVER_FIELDS.every((name) => one[name] === other[name]);
}

/** For the column `secret` of the destination `id`. */
export function wrapSecret(keyWrap: KeyWrap, id: string, place: Server, secret: SftpSecret): Uint8Array {
  const { host, port, account, hostKey } = place;
  const text = JSON.stringify({ ...secret, server: { host, port, account, hostKey } });
  return keyWrap.wrap(Buffer.from(text), destinationPurpose(id));
}

/** Throws `KEY_WRAP_FAILED` when the vault key does not fit, and `BACKUP_SECRET_NEEDED` when the secret belongs to another server: the database was altered by hand. */
export function unwrapSecret(keyWrap: KeyWrap, id: string, place: Server, wrapped: Uint8Array | null): SftpSecret {
  const text = Buffer.from(keyWrap.unwrap(wrapped ?? Buffer.alloc(0), destinationPurpose(id))).toString();
  const value: unknown = JSON.parse(text);
  const { server } = bound.parse(value);
  if (server !== undefined && !isSameServer(server, place)) throw secretNeeded();
  return sftpSecret.parse(value);
}

export function secretNeeded(): AppError {
  return new AppError('invalid', 'BACKUP_SECRET_NEEDED', 'Give the password or the private key for this server and account.', {
    field: 'body.place.secret',
  });
}
