/** For tests of backups: a small one in memory. */
import { newId } from '@bascule/core/ids.ts';
import type { BackupManifest } from './backup-manifest.ts';
import { backupBytes, type BackupMember } from './backup-writer.ts';

/** As cheap as scrypt gets. */
export const TEST_WORK_FACTOR = 4;
export const TEST_PASSWORD = 'correct horse battery';

/** `isEncrypted`: with the identity too. */
export function testMembers({ isEncrypted = false } = {}): BackupMember[] {
  const member = (part: BackupMember['part'], path: string, source: Uint8Array): BackupMember => ({
    part,
    path,
    source,
    bytes: source.length,
    modifiedS: 1_700_000_000,
  });
  return [
    member('state', 'site.db', Buffer.alloc(200_001, 'state')),
    ...(isEncrypted ? [member('identity', 'keys/identity.key', Buffer.from('key'))] : []),
    member('recordings', `recordings/${'é'.repeat(60)}/${'b'.repeat(90)}.brec`, Buffer.alloc(70_000, 'r')),
    member('recordings', 'recordings/\u{1F30D}.brec', Buffer.alloc(0)),
  ];
}

export function testManifest(members: readonly BackupMember[], changes: Partial<BackupManifest> = {}): BackupManifest {
  const parts = new Map<string, BackupManifest['parts'][number]>();
  for (const { part, bytes } of members) {
    const before = parts.get(part) ?? { part, members: 0, bytes: 0 };
    parts.set(part, { part, members: before.members + 1, bytes: before.bytes + bytes });
  }
  return {
    product: 'bascule',
    format: 'bascule-backup/1',
    id: newId('backup'),
    madeAtMs: Date.UTC(2026, 0, 1),
    appliance: 'alpha',
    publicHost: 'bascule.example',
    siteVersion: '0.5.0',
    basePackage: null,
    schema: 130,
    migrations: [1, 130],
    history: 'h',
    epoch: 1,
    seq: 1,
    identitySha256: null,
    vaultKeys: [],
    isEncrypted: false,
    includes: { history: true, files: true, recordings: true, boxSettings: true },
    parts: [...parts.values()],
    leftOut: [],
    ...changes,
  };
}

/** The bytes of a backup. */
export async function testBackup(
  options: { members?: BackupMember[]; manifest?: BackupManifest; password?: string | undefined } = {},
): Promise<Buffer> {
  const { password } = options;
  const isEncrypted = password !== undefined;
  const members = options.members ?? testMembers({ isEncrypted });
  const manifest = options.manifest ?? testManifest(members, { isEncrypted });
  const pieces: Buffer[] = [];
  for await (const piece of backupBytes({ manifest, members, password, workFactor: TEST_WORK_FACTOR })) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** As a file is read: in pieces. */
export async function* inPieces(bytes: Uint8Array, size = 10_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
