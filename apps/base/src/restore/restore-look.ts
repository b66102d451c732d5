/** The look into a backup before anybody decides: one at a time, of which nothing stays but what the page shows. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import {
  RESTORE_LINE_MAX_LENGTH,
  RESTORE_LINES_MAX,
  type RestoreInspection,
  type RestorePreview,
  type RestoreRemark,
} from '@bascule/protocol/api/restore.ts';
import { inspected, type Inspected, type Unpacked } from '@bascule/protocol/restore-program.ts';
import type { Context, Store } from '@bascule/store/store.ts';
import type { SiteSoftware } from '../site-host/site-host.ts';
import { settingsMany } from './restore-checks.ts';
import { backupInspected } from './restore-events.ts';
import type { runProgram } from './restore-program.ts';
import { remarksOnEnded } from './restore-ended.ts';
import { causeOf, remark } from './restore-remarks.ts';
import { SCRATCH_FOLDER } from './restore-steps.ts';

const LOOK_FOLDER = 'look';

export interface RestoreLookOptions {
  store: Store;
  siteDir: string;
  software(): SiteSoftware;
  /** Of an upload, by its id, or of a file on this machine, by its path. Throws as `Uploads.whole`. */
  sourceOf(upload: string): Promise<{ file: string; name: string }>;
  /** What settings of the box would change, in words. */
  describeSettings(text: string): Promise<string[]>;
  administrators(): string[];
  program: typeof runProgram;
  log: Log;
}

/** What was looked into without a fault. */
export interface LookedInto {
  preview: RestorePreview;
  /** To be compared with what is unpacked. */
  file: Unpacked;
  /** Lines of settings of the box that were not shown, or not whole. */
  hiddenLines: number;
}

export class RestoreLook {
  readonly #options: RestoreLookOptions;
  #shown: RestoreInspection | null = null;
  #found: LookedInto | undefined;
  #abort: AbortController | undefined;
  #running: Promise<void> | undefined;

  constructor(options: RestoreLookOptions) {
    this.#options = options;
  }

  /** What the page shows. */
  get shown(): RestoreInspection | null {
    return this.#shown;
  }

  /** What was found in `upload`, once it was looked into without a fault. */
  foundIn(upload: string): LookedInto | undefined {
    return this.#shown?.upload === upload && this.#shown.state === 'done' ? this.#found : undefined;
  }

  get nameShown(): string {
    return this.#shown?.name ?? '';
  }

  /** Begins; the page asks how far it is. A look that is under way is given up for this one. Throws NOT_FOUND and the like at once. */
  async begin(context: Context, upload: string, password: string | undefined): Promise<void> {
    this.#abort?.abort(new Error('another backup is looked into'));
    await this.#running;
    const { name } = await this.#options.sourceOf(upload);
    const abort = new AbortController();
    this.#abort = abort;
    this.#shown = { upload, name, state: 'running', progress: null, preview: null, error: null };
    this.#running = this.#look(context, upload, password, abort.signal);
  }

  /** Resolves when nothing is looked into. */
  async settled(): Promise<void> {
    await this.#running;
  }

  /** What was shown is of no use any more: the upload is gone, or what it would replace is another one now. */
  forget(): void {
    if (this.#shown?.state !== 'running') this.#shown = null;
  }

  async stop(): Promise<void> {
    this.#abort?.abort(new Error('base stops'));
    await this.#running;
  }

  async #look(context: Context, upload: string, password: string | undefined, signal: AbortSignal): Promise<void> {
    const { siteDir, log, store } = this.#options;
    const scratch = join(siteDir, SCRATCH_FOLDER, LOOK_FOLDER);
    const name = this.nameShown;
    const show = (change: Partial<RestoreInspection>): void => {
      if (this.#shown?.upload === upload) this.#shown = { ...this.#shown, ...change };
    };
    let outcome = 'read';
    try {
      const { file } = await this.#options.sourceOf(upload);
      const found = await this.#options.program({
        software: this.#options.software(),
        order: { kind: 'inspect', file, password, siteDir, scratch },
        result: inspected,
        signal,
        onProgress: (done, total) => show({ progress: { done, total, unit: 'bytes' } }),
        log,
      });
      this.#found = await this.#lookedInto(found);
      show({ state: 'done', progress: null, preview: this.#found.preview });
    } catch (error) {
      if (!(error instanceof AppError)) log.warn({ err: error }, 'restore.look-failed');
      const cause = causeOf(error, 'unpack');
      outcome = cause.code;
      show({ state: 'failed', progress: null, error: cause });
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
    if (!signal.aborted) store.transact(context, backupInspected({ name, outcome }), () => undefined);
  }

  async #lookedInto(found: Inspected): Promise<LookedInto> {
    const { id, mark, boxSettings, pair, basePackage, ended, ...plain } = found;
    const lines = boxSettings === null ? [] : await this.#options.describeSettings(boxSettings);
    const shown = lines.slice(0, RESTORE_LINES_MAX);
    const hiddenLines = lines.length - shown.filter((line) => line.length <= RESTORE_LINE_MAX_LENGTH).length;
    const preview: RestorePreview = {
      ...plain,
      baseVersion: basePackage ?? '',
      applianceAdministrators: this.#options.administrators(),
      boxSettings: shown.map((line) => line.slice(0, RESTORE_LINE_MAX_LENGTH)),
      pair: pair === null || pair.role === 'single' ? null : { role: pair.role, peer: pair.peer },
      remarks: [...remarksOn(found), ...remarksOnEnded(ended), ...(hiddenLines > 0 ? [settingsMany(hiddenLines)] : [])],
    };
    return { preview, file: { id, mark, madeAtMs: found.madeAtMs }, hiddenLines };
  }
}

/** What is missing, or will be other than before; what there are lists for is said there. */
function remarksOn(found: Inspected): RestoreRemark[] {
  const { vaultKey, parts, lostClients, isSameSite, replaced, hasPassword } = found;
  const isIn = (name: Inspected['parts'][number]['part']): boolean =>
    parts.some(({ part, isIncluded }) => part === name && isIncluded);
  const isHere = (name: Inspected['parts'][number]['part']): boolean =>
    parts.some(({ part, outcome }) => part === name && outcome === 'kept');
  const remarks: RestoreRemark[] = [];
  const say = (isSo: boolean, code: string, message: string, params: RestoreRemark['params'] = {}): void => {
    if (isSo) remarks.push(remark(code, message, params));
  };
  say(
    vaultKey.state === 'missing',
    'VAULT_KEY_MISSING',
    `${vaultKey.secrets} secrets cannot be read without the vault key of the appliance that made the backup. It may be added after the restore, under Management > Vault Key.`,
    { secrets: vaultKey.secrets },
  );
  say(
    lostClients.count > 0,
    'CLIENTS_LOST',
    `${lostClients.count} Jump Clients cannot come back: the site identity is neither in the backup (it was made without a password) nor on this appliance. They have to be installed anew.`,
    { clients: lostClients.count },
  );
  say(!isIn('history'), 'HISTORY_NOT_INCLUDED', 'Reports of sessions and the audit of before are not in the backup.');
  say(
    !isIn('recordings') && !isHere('recordings'),
    'RECORDINGS_MISSING',
    'Recordings are neither in the backup nor on this appliance.',
  );
  say(
    !isIn('files') && !isHere('files'),
    'FILES_MISSING',
    'The files of the file store are neither in the backup nor on this appliance.',
  );
  say(
    replaced !== null && !isSameSite,
    'OTHER_SITE',
    'The site that is on this appliance now is another one than that of the backup: all of it goes to the archive.',
  );
  say(
    !hasPassword,
    'NOT_ENCRYPTED',
    'The backup was made without a password: whoever had it in their hands can have read and altered it.',
  );
  return remarks;
}
