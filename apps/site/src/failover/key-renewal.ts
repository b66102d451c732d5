/** The backup has the site keys that the primary has: when the site identity was rotated, it fetches the new ones over the pinned link (docs/decisions/0203). */
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseRing } from '@bascule/accounts/key-ring-files.ts';
import { openKeyWrap, type KeyWrap } from '@bascule/accounts/key-wrap.ts';
import { siteKeys, type SiteKeys } from '@bascule/protocol/pair-establish.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import { SYSTEM } from '@bascule/store/store.ts';
import { roleUnfit } from './failover-errors.ts';
import { archiveKeys } from './key-archive.ts';
import type { PairParts } from './pair-parts.ts';
import { readValue, removeValue, writeValue } from './pair-store.ts';
import { PAIR_WRAP_KEY_FILE } from './pre-shared-key.ts';
import { collectSiteKeys, vaultKeysFingerprint, writeSiteKeys } from './sealed-keys.ts';

/** Made anew by each side when they are old: what they protect are sessions of links, which are made anew too. */
const TICKET_KEYS = 'link-tickets.key';
/** Whoever wraps and opens reads these anew by themselves. */
const VAULT_KEYS = 'site.key';

const keysRenewed = defineAuditEvent<{ primary: string }>(
  'FAILOVER_KEYS_RENEWED',
  'Took over the site keys that {primary} has now',
);

const keysReceived = defineAuditEvent<{ primary: string }>(
  'FAILOVER_KEYS_RECEIVED',
  'Received the site keys that {primary} has now',
);
const PURPOSE = 'site keys of the primary';

export class KeyRenewal {
  readonly #parts: PairParts;
  #running: Promise<void> | undefined;

  constructor(parts: PairParts) {
    this.#parts = parts;
  }

  /** SHA-256 over the site keys here; undefined when there are none yet. */
  hash(): string | undefined {
    try {
      return hashOf(collectSiteKeys(this.#parts.config.paths.keys, null));
    } catch {
      return undefined;
    }
  }

  /** Of the vault keys, former ones too; undefined when there are none yet. */
  ringHash(): string | undefined {
    return vaultKeysFingerprint(this.#parts.config.paths.keys);
  }

  /** For the peer that is the backup of this side. Throws for anybody else. */
  give(): SiteKeys {
    const { records, config } = this.#parts;
    if (records.self.role !== 'primary' || !records.isActive)
      throw roleUnfit('Site keys are given by the primary to its backup alone.');
    return collectSiteKeys(config.paths.keys, null);
  }

  /**
   * The primary's keys have this hash, and its vault keys this fingerprint: fetches them when ours are others. What fails is tried again when the primary is heard the next time.
   */
  heard(theirs: string | undefined, theirRing: string | undefined): void {
    const { records, log } = this.#parts;
    if (theirs === undefined || records.self.role !== 'backup' || !records.isActive) return;
    if (theirs === this.hash() && (theirRing === undefined || theirRing === this.ringHash())) return;
    this.#running ??= this.#fetch(theirs, theirRing)
      .catch((error: unknown) => log.warn({ err: error }, 'failover.keys-not-renewed'))
      .finally(() => (this.#running = undefined));
  }

  /**
   * Puts in place what was received: several files, so it is in pair.db before the first of them is replaced, and what a cut left half done is finished at the next start, before
   * anything opens a key that does not fit its certificate. The former keys are archived first (I5).
   */
  finish(): void {
    const { records, config } = this.#parts;
    const pending = readValue(records.store, 'pendingKeys');
    if (pending === undefined) return;
    const text = this.#wrap().unwrap(Buffer.from(pending.wrapped, 'base64'), PURPOSE);
    const keys = siteKeys.parse(JSON.parse(Buffer.from(text).toString('utf8')));
    mkdirSync(config.paths.archive, { recursive: true, mode: 0o700 });
    archiveKeys(config.paths.keys, join(config.paths.archive, pending.folder));
    writeSiteKeys(config.paths.keys, keys);
    records.store.transact(SYSTEM, keysRenewed({ primary: pending.primary }), (tx) => removeValue(tx, 'pendingKeys'));
  }

  async settled(): Promise<void> {
    await this.#running;
  }

  /** Hash of the keys that links are made with. */
  #linkKeys(): string | undefined {
    try {
      const keys = collectSiteKeys(this.#parts.config.paths.keys, null);
      return hashOf({ ...keys, files: keys.files.filter(({ name }) => name !== VAULT_KEYS) });
    } catch {
      return undefined;
    }
  }

  #wrap(): KeyWrap {
    return openKeyWrap(join(this.#parts.config.paths.keys, PAIR_WRAP_KEY_FILE));
  }

  async #fetch(theirs: string, theirRing: string | undefined): Promise<void> {
    const { dial, records, serving, now } = this.#parts;
    const { body } = await dial.request('GET', '/keys');
    const keys = siteKeys.parse(body);
    if (hashOf(keys) !== theirs) throw new Error('the keys came with errors');
    if (keys.ring !== undefined) parseRing(Buffer.from(keys.ring, 'base64').toString('utf8'), 'of the primary');
    const wrapped = Buffer.from(this.#wrap().wrap(Buffer.from(JSON.stringify(keys)), PURPOSE)).toString('base64');
    const folder = `${new Date(now()).toISOString().replaceAll(':', '').slice(0, 17)}Z-keys-${theirs.slice(0, 8)}${(theirRing ?? '').slice(0, 8)}`;
    const primary = records.peer?.name ?? '';
    records.store.transact(SYSTEM, keysReceived({ primary }), (tx) =>
      writeValue(tx, 'pendingKeys', { wrapped, folder, primary }),
    );
    const before = this.#linkKeys();
    this.finish();
    if (this.#linkKeys() === before) return;
    // Clients are turned away with the identity that they trust now.
    await serving.stop();
    await serving.start();
  }
}

function hashOf({ files }: SiteKeys): string {
  const hash = createHash('sha256');
  for (const { name, data } of files
    .filter((file) => file.name !== TICKET_KEYS)
    .toSorted((one, other) => (one.name < other.name ? -1 : 1)))
    hash.update(`${name}\n${data}\n`);
  return hash.digest('hex');
}
