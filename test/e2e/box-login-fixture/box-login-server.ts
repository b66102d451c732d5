/** The site's pages of backups, vault key and file store, on an appliance in the state a test wants. */
import type { z } from 'zod';
import type { ApplianceHeader } from '@bascule/protocol/api/failover.ts';
import type { BackupDestination, backups } from '@bascule/protocol/api/backup.ts';
import type { FileStoreState } from '@bascule/protocol/api/file-store.ts';
import type { VaultKeyState, VaultSecret } from '@bascule/protocol/api/vault.ts';
import { jumpItemsPageOf, rolloutOf, VERSION } from '../fleet-fixture/answers.ts';
import { FixtureServer, me } from '../updates-fixture/fixture-server.ts';
import {
  backupsOf,
  changesOf,
  fileOf,
  fileStoreOf,
  FOLDER,
  HOST_KEY,
  LOOK,
  NAS,
  runningOf,
  SCHEDULE,
  SECRETS,
  SIZES,
  vaultOf,
} from './answers.ts';

const UNDO_MS = 10_000;
const UPLOAD = '01920c5e-0000-4000-8000-000000000001';

export class BoxLoginServer extends FixtureServer {
  backups: z.infer<typeof backups> = backupsOf();
  destinations: BackupDestination[] = [NAS, FOLDER];
  vault: VaultKeyState = vaultOf();
  secrets: VaultSecret[] = SECRETS;
  files: FileStoreState = fileStoreOf();
  /** Undefined: a single appliance. */
  header: ApplianceHeader | undefined;
  role: 'administrator' | 'user' = 'administrator';
  #uploading = { name: '', totalBytes: 0 };

  constructor(dist?: string) {
    super(dist);
    const say = (route: string, answer: (url: URL, body: unknown) => unknown) => this.answers.set(route, answer);
    say('GET /whoami/appliance', () => this.header ?? SINGLE);
    say('GET /auth/me', () => me(this.language, this.role));
    say('GET /status', () => siteStatus());
    say('GET /access-sessions/active', () => ({ sessions: [] }));
    say('GET /jump/items/search', (url) => jumpItemsPageOf(0, url));
    say('GET /fleet/rollout', () => rolloutOf());
    this.#sayBackups(say);
    this.#sayVault(say);
    this.#sayFiles(say);
  }

  #sayBackups(say: (route: string, answer: (url: URL, body: unknown) => unknown) => void): void {
    say('GET /backups', () => this.backups);
    say('GET /backup/sizes', () => SIZES);
    say('GET /backup/schedule', () => SCHEDULE);
    say('GET /backup/destinations', () => ({ here: '/var/lib/bascule/backups', destinations: this.destinations }));
    say('GET /backup/changes', (url) => changesOf(url.searchParams.has('before') ? 1 : null));
    say('POST /backups', () => {
      this.backups = runningOf();
      return { id: this.backups.running?.id };
    });
    for (const { id } of [NAS, FOLDER]) say(`POST /backup/destinations/${id}/test`, () => ({ ok: true, ms: 214 }));
    say('POST /backup/host-key', () => ({ hostKey: HOST_KEY, kind: 'ssh-ed25519' }));
    const { id } = runningOf().running!;
    say(`POST /backups/${id}/cancel`, () => {
      this.backups = backupsOf();
      return { ok: true };
    });
  }

  #sayVault(say: (route: string, answer: (url: URL, body: unknown) => unknown) => void): void {
    say('GET /vault-key', () => this.vault);
    say('GET /vault-key/secrets', () => ({ secrets: this.secrets, next: null }));
    say('POST /vault-key/download', () => {
      this.vault = vaultOf();
      return { sealed: 'by a password' };
    });
    say('POST /vault-key/restore/look', () => LOOK);
    say('POST /vault-key/restore', () => {
      this.vault = vaultOf();
      return { becameReadable: 39, state: this.vault };
    });
    say('POST /vault-key/rotation', () => {
      this.vault = vaultOf({
        rotation: {
          state: 're-wrapping',
          startedAtMs: Date.now(),
          by: 'admin',
          done: 17,
          total: 45,
          waitsFor: null,
          mayCancel: false,
        },
        mayRotate: { ok: false, code: 'VAULT_ROTATION_RUNNING', message: 'A rotation is under way.' },
      });
      return this.vault;
    });
  }

  #sayFiles(say: (route: string, answer: (url: URL, body: unknown) => unknown) => void): void {
    say('GET /file-store', () => this.files);
    say('POST /file-store/uploads', (_, body) => {
      this.#uploading = body as { name: string; totalBytes: number };
      return { id: UPLOAD, name: this.#uploading.name, totalBytes: this.#uploading.totalBytes, receivedBytes: 0 };
    });
    say(`PUT /file-store/uploads/${UPLOAD}`, () => ({ receivedBytes: this.#uploading.totalBytes }));
    say(`POST /file-store/uploads/${UPLOAD}/finish`, () => {
      const file = fileOf(10 + this.files.files.length, this.#uploading.name, this.#uploading.totalBytes);
      this.files = { ...this.files, files: [...this.files.files, file] };
      return file;
    });
    for (const file of this.files.files) {
      say(`DELETE /file-store/files/${file.id}`, () => {
        const undoUntilMs = Date.now() + UNDO_MS;
        this.files = {
          ...this.files,
          files: this.files.files.filter(({ id }) => id !== file.id),
          deleted: [{ id: file.id, name: file.name, undoUntilMs }],
        };
        return { undoUntilMs };
      });
      say(`POST /file-store/files/${file.id}/undelete`, () => {
        this.files = { ...this.files, files: [...this.files.files, file], deleted: [] };
        return file;
      });
    }
  }
}

const SINGLE = { appliance: 'alpha', role: 'single', peer: null, primaryUrl: null, alarms: [] };

function siteStatus() {
  return {
    applianceName: 'alpha',
    version: VERSION,
    baseVersion: VERSION,
    nowMs: Date.now(),
    jumpClients: { online: 412, total: 430, waiting: 0, conflicts: 0 },
    activeSessions: 0,
    recordings: { ok: true, freeBytes: 64_000_000_000, usedBytes: 12_300_000_000 },
  };
}
