import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VaultKeyState } from '@bascule/protocol/api/vault.ts';
import { base64Of, groupedKeyId, vaultStanding } from './vault-model.ts';

const DOWNLOAD = { atMs: 1, by: 'admin', keyId: '3f0a91c2d47be815', isOutdated: false };
const ROTATION = { state: 're-wrapping', startedAtMs: 1, by: 'a', done: 0, total: 1, waitsFor: null, mayCancel: false } as const;
const standing = (part: Partial<VaultKeyState>) =>
  vaultStanding({ unreadable: 0, rotation: null, download: DOWNLOAD, ...part } as VaultKeyState).standing;

test('how things stand with the vault key: what is worst is said', () => {
  assert.equal(standing({}), 'fine');
  assert.equal(standing({ download: null }), 'never-downloaded');
  assert.equal(standing({ download: { ...DOWNLOAD, isOutdated: true } }), 'outdated');
  assert.equal(standing({ rotation: ROTATION, download: null }), 'rotating');
  assert.equal(standing({ rotation: { ...ROTATION, waitsFor: { code: 'VAULT_WAITS_FOR_BACKUP', message: '' } } }), 'waiting');
  assert.equal(standing({ rotation: ROTATION, unreadable: 1 }), 'unreadable');
});

test('a key is named in groups, and a file goes out as base64 byte for byte', async () => {
  assert.equal(groupedKeyId('3f0a91c2d47be815'), '3f0a 91c2 d47b e815');
  const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => index % 256);
  assert.deepEqual(Buffer.from(await base64Of(new Blob([bytes])), 'base64'), Buffer.from(bytes));
});
