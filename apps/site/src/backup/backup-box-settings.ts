/** What base gives of the box's own settings (protocol/base-site.ts, `ask-box-settings`). */
import { AppError } from '@bascule/errors/app-error.ts';
import type { FromSite, ToSite } from '@bascule/protocol/base-site.ts';

/** base answers within this. */
const ANSWER_LIMIT_MS = 20_000;

export class BoxSettingsQuestion {
  readonly #tell: (message: FromSite) => void;
  readonly #waiting = new Map<number, (answer: Extract<ToSite, { kind: 'box-settings' }>) => void>();
  #nonce = 0;

  constructor(tell: (message: FromSite) => void) {
    this.#tell = tell;
  }

  /** JSON; with passwords and private keys when `withSecrets`. Throws `BACKUP_BOX_SILENT` and what base says. */
  async ask(withSecrets: boolean): Promise<string> {
    const nonce = ++this.#nonce;
    const answer = Promise.withResolvers<Extract<ToSite, { kind: 'box-settings' }>>();
    this.#waiting.set(nonce, answer.resolve);
    const silent = new AppError(
      'unavailable',
      'BACKUP_BOX_SILENT',
      'The base software did not give the settings of the box in time.',
    );
    const limit = setTimeout(() => answer.reject(silent), ANSWER_LIMIT_MS);
    this.#tell({ kind: 'ask-box-settings', nonce, withSecrets });
    try {
      const { settings, error } = await answer.promise;
      if (settings === undefined)
        throw new AppError('unavailable', 'BACKUP_BOX_REFUSED', error ?? 'The base software gave no settings.');
      return settings;
    } finally {
      clearTimeout(limit);
      this.#waiting.delete(nonce);
    }
  }

  answered(answer: Extract<ToSite, { kind: 'box-settings' }>): void {
    this.#waiting.get(answer.nonce)?.(answer);
  }
}
