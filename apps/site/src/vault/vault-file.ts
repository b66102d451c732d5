/** The vault key file: JSON (`bascule-vault-key/1`) inside an age file with a password; stock `age -d` opens it (docs/operator/vault-key.md). */
import { z } from 'zod';
import { AGE_MAGIC, headerEnd, makeHeader, openHeader } from '@bascule/backup-format/age-header.ts';
import { openPayload, sealPayload } from '@bascule/backup-format/age-payload.ts';
import { ringKey, type RingKey } from '@bascule/accounts/key-ring-files.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { VAULT_FILE_MAX_BYTES, vaultKeyFile, type VaultKeyFile } from '@bascule/protocol/api/vault.ts';
import * as errors from './vault-errors.ts';

const PASSWORD_WRONG = 'BACKUP_PASSWORD_WRONG';
const FOREIGN = 'BACKUP_FOREIGN_ENCRYPTION';
/** Of any version, and of nothing else. */
const someFormat = z.object({ format: z.string().max(100) });
const FORMAT_PREFIX = 'bascule-vault-key/';

/** What a vault key file says. */
export interface VaultKeys {
  appliance: string;
  madeAtMs: number;
  current: string;
  keys: RingKey[];
}

/** `workFactor`: a smaller one is for tests. */
export async function sealVaultKeys(
  { appliance, madeAtMs, current, keys }: VaultKeys,
  password: string,
  workFactor?: number,
): Promise<Buffer> {
  const file: VaultKeyFile = {
    format: 'bascule-vault-key/1',
    appliance,
    madeAtMs,
    current,
    keys: keys.map(({ id, bytes }) => ({ id, key: bytes.toString('base64') })),
  };
  const { header, fileKey } = await makeHeader(password, workFactor);
  const pieces = [header];
  for await (const piece of sealPayload(one(Buffer.from(`${JSON.stringify(file, undefined, 2)}\n`)), fileKey)) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Throws VAULT_FILE_PASSWORD_WRONG, VAULT_FILE_DAMAGED, VAULT_FILE_OTHER, VAULT_FILE_NEWER. */
export async function openVaultKeys(bytes: Buffer, password: string): Promise<VaultKeys> {
  if (bytes.length > VAULT_FILE_MAX_BYTES || !bytes.subarray(0, AGE_MAGIC.length).equals(Buffer.from(AGE_MAGIC)))
    throw errors.otherFile();
  const end = headerEnd(bytes);
  if (end === undefined) throw errors.damagedFile();
  const text = await decrypt(bytes.subarray(0, end), bytes.subarray(end), password);
  const json = parseJson(text);
  const some = someFormat.safeParse(json);
  if (!some.success || !some.data.format.startsWith(FORMAT_PREFIX)) throw errors.otherFile();
  const parsed = vaultKeyFile.safeParse(json);
  if (!parsed.success) {
    if (some.data.format !== vaultKeyFile.shape.format.value) throw errors.newerFile();
    throw errors.damagedFile(parsed.error);
  }
  const { appliance, madeAtMs, current, keys } = parsed.data;
  const read = keys.map(({ key }) => ringKey(Buffer.from(key, 'base64')));
  // Ids are made of the keys: a key that was typed off, or put in by hand, does not go by another's name.
  const fits = read.every(({ id }, index) => id === keys[index]!.id) && read.some(({ id }) => id === current);
  if (!fits) throw errors.damagedFile();
  return { appliance, madeAtMs, current, keys: read };
}

async function decrypt(header: Buffer, payload: Buffer, password: string): Promise<string> {
  try {
    const pieces: Buffer[] = [];
    for await (const piece of openPayload(one(payload), await openHeader(header, password))) pieces.push(piece);
    return Buffer.concat(pieces).toString('utf8');
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    if (error.code === PASSWORD_WRONG) throw errors.wrongPassword();
    if (error.code === FOREIGN) throw errors.otherFile(error);
    throw errors.damagedFile(error);
  }
}

async function* one(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
