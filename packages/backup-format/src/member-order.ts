/** The order of members in a backup: parts as in `BACKUP_PARTS`, paths ascending within each, so that none comes twice and nobody has to remember them all. */
import { BACKUP_PARTS, type BackupPart } from '@bascule/protocol/api/backup.ts';
import { refused } from './backup-faults.ts';
import { BOX_SETTINGS_PATH, IDENTITY_FILES, PART_PATHS } from './backup-manifest.ts';
import { printable } from './backup-tar.ts';

export const MANIFEST_PATH = 'manifest.json';
/** Last: a line for each member before it, as `sha256sum -c` reads them. */
export const CHECKSUMS_PATH = 'checksums.sha256';

/** Parts that hold known files alone: any other key or settings file of a backup would be taken for this appliance's own. */
const NAMED_ALONE: Partial<Record<BackupPart, readonly string[]>> = {
  identity: IDENTITY_FILES.map((name) => `${PART_PATHS.identity}${name}`),
  'box-settings': [BOX_SETTINGS_PATH],
};

/** The part that a member with `path` belongs to; undefined for a path that no part has. */
export function partOf(path: string): BackupPart | undefined {
  return BACKUP_PARTS.find((part) => {
    const named = NAMED_ALONE[part];
    if (named !== undefined) return named.includes(path);
    const place = PART_PATHS[part];
    return place.endsWith('/') ? path.startsWith(place) : path === place;
  });
}

/** Watches that paths come in order. */
export class MemberOrder {
  #part = -1;
  #path = '';

  /** The part of `path`. Throws `BACKUP_ENTRY_REFUSED` for one that belongs to none, comes twice, or too late. */
  next(path: string): BackupPart {
    const part = partOf(path);
    if (part === undefined) throw refused(`'${printable(path)}' belongs to no part of a backup`);
    const number = BACKUP_PARTS.indexOf(part);
    if (number < this.#part || (number === this.#part && Buffer.compare(Buffer.from(this.#path), Buffer.from(path)) >= 0))
      throw refused(`'${printable(path)}' comes twice or out of order`);
    this.#part = number;
    this.#path = path;
    return part;
  }
}
